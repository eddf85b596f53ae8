"""Model soups: one network whose weights are the mean of several trained ones (arXiv:2203.05482).

The ingredients must have started from the same weights. Where they have batch norm, its averaged statistics are not
those of the soup: `zoo.averaging.reestimate_norm` measures them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def uniform_soup(ingredients: Sequence[Weights]) -> dict[str, Tensor]:
    """The mean of all; what is not floating point (counters) is the first one's.

    Raises ValueError where there is none, or where names or shapes differ.
    """
    _check(ingredients)
    first = ingredients[0]
    return {
        name: _mean([weights[name] for weights in ingredients]) if value.is_floating_point() else value.clone()
        for name, value in first.items()
    }


def greedy_soup(
    ingredients: Sequence[Weights], score: Callable[[dict[str, Tensor]], float]
) -> tuple[dict[str, Tensor], list[int]]:
    """The soup to which each ingredient, best first, is added where the score does not fall; and the numbers it took.

    `score` is the val accuracy of a state dict, higher is better; of equal ones the earlier comes first.
    """
    _check(ingredients)
    scores = [score(dict(weights)) for weights in ingredients]
    best, *others = sorted(range(len(ingredients)), key=lambda number: -scores[number])
    taken, soup, reached = [best], uniform_soup([ingredients[best]]), scores[best]
    for number in others:
        candidate = uniform_soup([ingredients[other] for other in [*taken, number]])
        scored = score(candidate)
        if scored >= reached:
            taken, soup, reached = [*taken, number], candidate, scored
    return soup, taken


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).double().mean(0).to(values[0].dtype)


def _check(ingredients: Sequence[Weights]) -> None:
    if not ingredients:
        raise ValueError("a soup needs at least one ingredient")
    first = {name: tuple(value.shape) for name, value in ingredients[0].items()}
    for number, weights in enumerate(ingredients[1:], start=1):
        shapes = {name: tuple(value.shape) for name, value in weights.items()}
        for name in [*first, *shapes]:
            if first.get(name) != shapes.get(name):
                raise ValueError(
                    f"the ingredients of a soup must be of one architecture: {name!r} is "
                    f"{first.get(name, 'missing')} in number 0, {shapes.get(name, 'missing')} in number {number}"
                )

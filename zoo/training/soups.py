"""Model soups: one network whose weights are the mean of several trained ones (arXiv:2203.05482).

Ingredients mix where they started from the same trained weights; networks from scratch do not, and a greedy soup of
them is its best ingredient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from zoo.inference.images import prepared
from zoo.inference.predict import class_scores
from zoo.state_dicts import Weights
from zoo.training.averaging import reestimate_norm
from zoo.training.job import TrainContext, TrainJob
from zoo.training.loop import NORM_BATCHES, Trained, augmented, together, train

SEED_STEP = 1000  # between the ingredients' seeds, so that they are none of the member's other seeds


def uniform_soup(ingredients: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the mean of all weights; what is not floating point (counters) is taken from the first.

    Raises ValueError where there are no ingredients, or where names or shapes differ.
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
    """Add ingredients, best first, as long as the score does not fall; return the soup and the numbers it is made of.

    `score` returns the val accuracy of a state dict. Of two equal ones the earlier is tried first.
    """
    _check(ingredients)
    scores = [score(dict(weights)) for weights in ingredients]
    best, *others = sorted(range(len(ingredients)), key=lambda number: -scores[number])
    chosen, soup, best_score = [best], uniform_soup([ingredients[best]]), scores[best]
    for number in others:
        candidate = uniform_soup([ingredients[other] for other in [*chosen, number]])
        candidate_score = score(candidate)
        if candidate_score >= best_score:
            chosen, soup, best_score = [*chosen, number], candidate, candidate_score
    return soup, chosen


def train_soup(job: TrainJob, context: TrainContext) -> Trained:
    """Train the recipe's `ingredients` and average their weights; errors are those of `train`.

    Batch norm statistics of the average are measured on augmented training images. Each ingredient has a checkpoint of
    its own.
    """
    recipe = job.member.recipe
    done = [
        train(replace(job.network(number), seed=job.seed + SEED_STEP * number), context)
        for number in range(recipe.ingredients)
    ]
    evaluator = _SoupEvaluator(job, context.device)
    ingredients = [trained.weights for trained in done]
    if recipe.soup == "greedy":
        soup, _ = greedy_soup(ingredients, evaluator.accuracy)
    else:
        soup = uniform_soup(ingredients)
    return together(done, evaluator.recalibrate(soup), "ingredient")


class _SoupEvaluator:
    """A network that takes averaged weights, to measure their batch norm statistics and their accuracy."""

    def __init__(self, job: TrainJob, device: str) -> None:
        train, val = job.data.train, job.data.val
        self.member, self.seed, self.val_targets = job.member, job.seed, torch.from_numpy(val.targets).to(device)
        self.network = job.member.build(job.num_classes, train.images.shape[1]).to(device)
        self.images, self.val_images = (
            prepared(split.images, device, job.member.recipe.preprocess) for split in (train, val)
        )

    def recalibrate(self, weights: Weights) -> dict[str, Tensor]:
        """Return the weights with batch norm statistics of their own."""
        self.network.load_state_dict(weights)
        reestimate_norm(self.network, self._batches())
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def accuracy(self, weights: Weights) -> float:
        """Return the val accuracy of the weights, recalibrated."""
        self.recalibrate(weights)
        logits = class_scores(self.network, self.val_images, self.member, tta="none")
        return (logits.argmax(1) == self.val_targets).double().mean().item()

    def _batches(self) -> Iterator[Tensor]:
        size, recipe = self.member.image_size, self.member.recipe
        generator = torch.Generator(self.images.device).manual_seed(self.seed)
        for batch in islice(self.images.split(recipe.batch_size), NORM_BATCHES):
            yield augmented(batch, size, recipe, generator)


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

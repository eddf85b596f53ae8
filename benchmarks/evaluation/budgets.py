"""The best average of members within a budget: FLOPs or milliseconds an image, chosen on val alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.cost import total_milliseconds, total_of_views
from benchmarks.results.schema import MemberFacts
from ensembles.splits import stratified_splits

Cost = Callable[[Sequence[int]], float | None]  # of an image for members together, by their places
GAIN = 1e-9  # nats below which one more member is no gain
FOLDS = 5


class NothingAffordable(ValueError):
    """No member alone keeps to the budget; the message says what the cheapest takes."""


@dataclass(frozen=True)
class Choice:
    """What was chosen for a budget: places of the members, what an image takes, and accuracy on val held out of the
    choice."""

    budget: float
    members: tuple[int, ...]
    cost: float
    cross_fitted: float


def cost_of(members: Sequence[MemberFacts], unit: str) -> Cost:
    """Return the cost function of members: `flops`, or `ms` where all were timed on one kind of device."""

    def flops(places: Sequence[int]) -> float | None:
        return total_of_views([members[place] for place in places], "flops")

    def milliseconds(places: Sequence[int]) -> float | None:
        return total_milliseconds([members[place] for place in places])

    return {"flops": flops, "ms": milliseconds}[unit]


def choose_within(of_target: np.ndarray, cost: Cost, budget: float) -> tuple[int, ...]:
    """Choose members whose average has the lowest log-loss within the budget, by forward selection from every start.

    `of_target` [M, N] are the members' probabilities of the targets. Members whose cost is not known have no part.
    Raises NothingAffordable.
    """
    alone = {place: known for place in range(len(of_target)) if (known := cost([place])) is not None}
    affordable = [place for place, known in alone.items() if known <= budget]
    if not affordable:
        least = min(alone.values(), default=None)
        cheapest = "no member's cost is known" if least is None else f"the cheapest member takes {least:,.4g}"
        raise NothingAffordable(f"no member keeps to a budget of {budget:,.4g} an image: {cheapest}")
    found = [_grown(of_target, cost, budget, affordable, start) for start in affordable]
    return min(
        found, key=lambda members: (round(_loss(of_target[list(members)].sum(axis=0), len(members)), 9), members)
    )


def _grown(of_target: np.ndarray, cost: Cost, budget: float, affordable: Sequence[int], start: int) -> tuple[int, ...]:
    """Add the member that lowers the log-loss most, for as long as one does and the budget has room for it."""
    members, total = [start], of_target[start].copy()
    loss = _loss(total, 1)
    while True:
        tried = []
        for place in affordable:
            if place in members or (known := cost([*members, place])) is None or known > budget:
                continue
            tried.append((_loss(total + of_target[place], len(members) + 1), place))
        if not tried or min(tried)[0] >= loss - GAIN:
            return tuple(sorted(members))
        loss, place = min(tried)
        members.append(place)
        total += of_target[place]


def _loss(total: np.ndarray, members: int) -> float:
    return float(-np.log(np.maximum(total / members, 1e-12)).mean())


def within(probabilities: np.ndarray, targets: np.ndarray, cost: Cost, budget: float, repeats: int = 2) -> Choice:
    """Choose on val for a budget, and cross-fit the choice there: probabilities [M, N, C], targets [N].

    Raises NothingAffordable.
    """
    of_target = probabilities[:, np.arange(len(targets)), targets]
    members = choose_within(of_target, cost, budget)
    correct = []
    for fit, held_out in stratified_splits(targets, FOLDS, repeats, 0):
        chosen = choose_within(of_target[:, fit], cost, budget)
        correct.append(probabilities[list(chosen)][:, held_out].mean(axis=0).argmax(axis=1) == targets[held_out])
    return Choice(budget, members, cost(members) or 0.0, float(np.concatenate(correct).mean()))


def curve(costs: Sequence[float], points: int = 7) -> list[float]:
    """Return budgets from the cheapest member to twice the dearest, in even steps of their logarithm."""
    return np.geomspace(min(costs), 2 * max(costs), points).tolist()

"""The best average of members within a budget: FLOPs or milliseconds an image, chosen on val alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.digests import digest
from benchmarks.evaluation.cost import forward_passes, milliseconds, total_milliseconds, total_of_views
from benchmarks.files import CsvRow
from benchmarks.results.analyses import BUDGET_UNITS, Budget
from benchmarks.results.row_classes import COSTLY
from benchmarks.results.schema import EnsembleFacts, MemberFacts
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles.splits import stratified_splits

Cost = Callable[[Sequence[int]], float | None]  # of an image for members together, by their places
GAIN = 1e-9  # nats below which one more member is no gain
FOLDS = 5
NO_LIMITS: Mapping[str, float] = MappingProxyType({})
UNITS = {shown: unit for unit, shown in BUDGET_UNITS.items()}
COSTS = {"flops": "flops", "ms": "ms_per_image"}  # of a row, by unit
OFFERED = "chosen of"  # the column that says which offer a line was chosen of
STALE_BUDGETS = (
    "was chosen of other members, or of what they said or took then; written anew by: python benchmark.py budget"
)
TABLE = "1"  # counts with how a table is made: those of an earlier way are made anew


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


def mark_costly(members: Sequence[Predictions], limits: Mapping[str, float]) -> list[Predictions]:
    """Mark members whose cost of an image alone is not known, or above a limit: no ensemble within it can use them.

    A class that they are of already stays.
    """
    return [
        member
        if member.provenance.get("row_class") or _keeps_to(member, limits)
        else replace(member, provenance={**member.provenance, "row_class": COSTLY.name})
        for member in members
    ]


def _keeps_to(member: Predictions, limits: Mapping[str, float]) -> bool:
    known, recipe = member.provenance, member.configuration.described()["recipe"]
    macs = known.get("macs")
    costs = {
        "flops": 2 * forward_passes(known.get("tta"), recipe) * macs if macs else None,
        "ms": milliseconds(known.get("inference_seconds"), len(member.val) + len(member.test)),
    }
    return all((cost := costs[unit]) is not None and cost <= limit for unit, limit in limits.items())


def within_limits(ensembles: Sequence[EnsembleFacts], limits: Mapping[str, float]) -> set[str]:
    """Name the ensembles whose cost of an image, where there are limits, is known and within all of them.

    Raises NothingAffordable where none is.
    """
    costs: dict[str, Mapping[str, Any]] = {ensemble["name"]: ensemble for ensemble in ensembles}
    found = {
        name
        for name, row in costs.items()
        if all((known := row[COSTS[unit]]) is not None and known <= limit for unit, limit in limits.items())
    }
    if not found and costs:
        unit, limit = next(iter(limits.items()))
        known = [row[COSTS[unit]] for row in costs.values() if row[COSTS[unit]] is not None]
        least = f"the cheapest takes {min(known):,.4g}" if known else "no ensemble's cost is known"
        raise NothingAffordable(
            f"no ensemble keeps to {limit:,.4g} {unit} an image: {least}; `python benchmark.py budget --budget-{unit} "
            f"{limit:g}` chooses members for it"
        )
    return found


def offered(members: Iterable[tuple[Predictions, MemberFacts]], targets: Targets) -> str:
    """Return a digest of what decides a table of budgets: the members to choose among, what they answer and cost, and
    the targets. Their order decides nothing."""
    each = [
        digest([model.configuration.hash, model.val.tobytes(), model.test.tobytes(), *_costs(known)])
        for model, known in members
    ]
    return digest([TABLE, targets.fingerprint, targets.val.tobytes(), targets.test.tobytes(), *sorted(each)])[:16]


def _costs(facts: MemberFacts) -> list[str]:
    """Return what an image costs a member, with as many digits as results.json and the results themselves share."""
    costs = (facts["flops"], facts["ms_per_image"])
    return [str(facts["device"]), *("unknown" if cost is None else f"{cost:.3g}" for cost in costs)]


def budgets_of(table: Sequence[CsvRow]) -> list[Budget]:
    """Read the table that `budget` writes; raise ValueError or KeyError where a cell is none of its own."""
    return [
        {
            "unit": UNITS[row["unit"]],
            "budget": float(row["budget"]),
            "cost": float(row["cost"]),
            "cross_fitted": float(row["val, cross-fitted"]) / 100.0,
            "accuracy": float(row["test"]) / 100.0,
            "interval": _bounds(row["95 %"]),
            "members": row["members"],
        }
        for row in table
    ]


def _bounds(text: str) -> list[float]:
    low, high = text.strip("[]").split(", ")
    return [round(float(bound) / 100.0, 6) for bound in (low, high)]


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

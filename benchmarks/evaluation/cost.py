"""What a row of the leaderboard costs at inference, and which rows are worth theirs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from benchmarks.results import EXTERNAL
from benchmarks.results.schema import Effort, MemberFacts
from benchmarks.store.weights import shared_weights
from zoo.inference.views import VIEWS

Cost = Literal["params", "flops", "ms_per_image", "train_seconds"]


def forward_passes(tta: str | None, recipe: Mapping[str, Any] | None) -> int:
    """Return how often a network runs for one image: its views times the networks of its recipe.

    The recipe is given as what differs from the defaults. 1 where neither is known.
    """
    return (VIEWS[tta].count if tta in VIEWS else 1) * networks(recipe)


def networks(recipe: Mapping[str, Any] | None) -> int:
    """Return how many networks a member has, given what its recipe changes from the defaults."""
    recipe = recipe or {}
    return int(recipe.get("cycles", 1) if recipe.get("average") == "snapshots" else recipe.get("folds", 0) or 1)


def trained_once(members: Sequence[MemberFacts]) -> list[MemberFacts]:
    """Return the first of each set of members that share their weights: what was trained once counts once."""
    first: dict[str, MemberFacts] = {}
    for member in members:
        first.setdefault(member.get("weights_of") or shared_weights(member["name"], member["seed"]), member)
    return list(first.values())


def effort(members: Sequence[MemberFacts]) -> Effort:
    """Sum up the training: how many members and external models, for how long in all, and on what.

    `seconds` is None where there is no member or not all of them have a time.
    """
    own = [member for member in members if member["kind"] != EXTERNAL]
    seconds = total(trained_once(own), "train_seconds") if own else None
    devices = sorted({device for member in own if (device := member["device"])})
    return {"members": len(own), "external": len(members) - len(own), "seconds": seconds, "devices": devices}


def milliseconds(inference_seconds: float | None, images: int) -> float | None:
    """Return wall milliseconds per image, from the recorded time of prediction on val and test (TTA included)."""
    return None if inference_seconds is None or images == 0 else 1000.0 * inference_seconds / images


def total(
    members: Sequence[MemberFacts], key: Literal["params", "flops", "ms_per_image", "train_seconds"]
) -> float | None:
    """Return the sum over members that run one after the other; None where it is not known of each."""
    values = [member[key] for member in members]
    return None if None in values else sum(value for value in values if value is not None)


def total_milliseconds(members: Sequence[MemberFacts]) -> float | None:
    """Return the total milliseconds per image; None where members were not timed on one kind of device."""
    devices = {member["device"] for member in members}
    return total(members, "ms_per_image") if len(devices) == 1 else None


def mean(costs: Sequence[float | None]) -> float | None:
    """Return the mean cost of an image where several fits share the images equally; None where one is not known."""
    known = [cost for cost in costs if cost is not None]
    return statistics.mean(known) if len(known) == len(costs) else None


def pareto_front(accuracy: Sequence[float | None], cost: Sequence[float | None]) -> list[bool | None]:
    """Tell for each row whether no other is at least as accurate and as cheap, and better in one of the two.

    None where either is not known.
    """
    known = [(a, c) for a, c in zip(accuracy, cost, strict=True) if a is not None and c is not None]
    return [
        None
        if mine is None or own is None
        else not any(a >= mine and c <= own and (a > mine or c < own) for a, c in known)
        for mine, own in zip(accuracy, cost, strict=True)
    ]

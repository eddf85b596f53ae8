"""What a row of the leaderboard costs at inference, and which rows are worth theirs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.results import EXTERNAL
from benchmarks.store.weights import shared_weights

VIEWS = {"none": 1, "flip": 2, "ten_crop": 10, "shift": 10, "scale": 6, "rotate": 6, "grid": 18}
"""Forward passes an image by the recipe's `tta`, as zoo/inference/tta.py makes them; known here without torch."""


def forward_passes(tta: str | None, recipe: Mapping[str, Any] | None) -> int:
    """How often a network is run for one image: by the views, times the networks of a recipe (given as what differs
    from the defaults) with snapshots or folds. 1 where neither is known."""
    return VIEWS.get(tta or "none", 1) * networks(recipe)


def networks(recipe: Mapping[str, Any] | None) -> int:
    """Of how many networks a member is made, by what its recipe differs in from the defaults."""
    recipe = recipe or {}
    return int(recipe.get("cycles", 1) if recipe.get("average") == "snapshots" else recipe.get("folds", 0) or 1)


def trained_once(members: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of members that share their weights, the first: what was trained and is stored once counts once."""
    found: dict[str, Mapping[str, Any]] = {}
    for member in members:
        found.setdefault(member.get("weights_of") or shared_weights(member["name"], member.get("seed")), member)
    return list(found.values())


def effort(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many members were trained and how many models come from elsewhere, how long the training took in all, and on
    what; `seconds` is None where there is no member or not all of them have a time."""
    own = [member for member in members if member["kind"] != EXTERNAL]
    seconds = total(trained_once(own), "train_seconds") if own else None
    devices = sorted({member["device"] for member in own if member.get("device")})
    return {"members": len(own), "external": len(members) - len(own), "seconds": seconds, "devices": devices}


def milliseconds(inference_seconds: float | None, images: int) -> float | None:
    """Wall milliseconds an image, from what a member's run over val and test (TTA included) was recorded to take."""
    return None if inference_seconds is None or images == 0 else 1000.0 * inference_seconds / images


def total(members: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The sum over members that run one after the other; None where it is not known of each."""
    values = [member.get(key) for member in members]
    return None if None in values else sum(value for value in values if value is not None)


def total_milliseconds(members: Sequence[Mapping[str, Any]]) -> float | None:
    """`total` of the milliseconds an image; None where the members were not timed on one kind of device."""
    devices = {member.get("device") for member in members}
    return total(members, "ms_per_image") if len(devices) == 1 else None


def mean(costs: Sequence[float | None]) -> float | None:
    """What an image costs where several fits share the images alike; None where one of them is not known."""
    known = [cost for cost in costs if cost is not None]
    return statistics.mean(known) if len(known) == len(costs) else None


def pareto_front(accuracy: Sequence[float | None], cost: Sequence[float | None]) -> list[bool | None]:
    """Whether no other row is at least as accurate and as cheap, and better in one of both; None where either is
    not known."""
    known = [(a, c) for a, c in zip(accuracy, cost, strict=True) if a is not None and c is not None]
    return [
        None
        if mine is None or own is None
        else not any(a >= mine and c <= own and (a > mine or c < own) for a, c in known)
        for mine, own in zip(accuracy, cost, strict=True)
    ]

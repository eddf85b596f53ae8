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
    return len(views(tta, recipe)) * networks(recipe)


def views(tta: str | None, recipe: Mapping[str, Any] | None) -> frozenset[Any]:
    """Return the views of an image that a member's network sees; one where they are not known."""
    cropped = (recipe or {}).get("crop_ratio", 1.0) < 1
    return VIEWS[tta].each(cropped) if tta in VIEWS else frozenset([tta])


def networks(recipe: Mapping[str, Any] | None) -> int:
    """Return how many networks a member has, given what its recipe changes from the defaults."""
    recipe = recipe or {}
    return int(recipe.get("cycles", 1) if recipe.get("average") == "snapshots" else recipe.get("folds", 0) or 1)


def trained_once(members: Sequence[MemberFacts]) -> list[MemberFacts]:
    """Return the first of each set of members that share their weights: what was trained once counts once."""
    return [sharing[0] for sharing in by_weights(members)]


def by_weights(members: Sequence[MemberFacts]) -> list[list[MemberFacts]]:
    """Return the members in groups that share their weights: a member, and the same with other views."""
    groups: dict[str, list[MemberFacts]] = {}
    for member in members:
        key = member.get("weights_of") or shared_weights(member["name"], member["seed"])
        groups.setdefault(key, []).append(member)
    return list(groups.values())


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


def total_of_views(members: Sequence[MemberFacts], key: Literal["flops", "ms_per_image"]) -> float | None:
    """Return the cost of an image for members together; None where it is not known of each.

    Members that share their weights compute the views that they share once.
    """
    costs = [(total(sharing, key), _share_of_views(sharing)) for sharing in by_weights(members)]
    known = [cost if share == 1 else cost * share for cost, share in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _share_of_views(sharing: Sequence[MemberFacts]) -> float:
    """Return how many views of an image are different ones, as a share of all that these members see."""
    each = [views(member["tta"], member["recipe"]) for member in sharing]
    return len(frozenset().union(*each)) / sum(map(len, each))


def total_milliseconds(members: Sequence[MemberFacts]) -> float | None:
    """Return the total milliseconds per image; None where members were not timed on one kind of device."""
    devices = {member["device"] for member in members}
    return total_of_views(members, "ms_per_image") if len(devices) == 1 else None


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

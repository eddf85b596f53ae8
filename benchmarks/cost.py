"""What a row of the leaderboard costs at inference, and which rows are worth theirs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


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

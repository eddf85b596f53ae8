"""Which steps of a training were taken where: another device, or another number of threads, gives other last digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Segment = dict[str, Any]
"""What describes a place, and `steps`, the first and the one after the last that was taken there."""


def extended(segments: Sequence[Segment], place: Mapping[str, Any], begun: int, step: int) -> list[Segment]:
    """Return the segments of a training that has come from step `begun` to `step` at a place.

    Where a state from before segments were kept is gone on with, nothing describes the place of its steps.
    """
    known = list(segments)
    if not known and begun:
        known = [{"steps": [0, begun]}]
    if known and known[-1].items() >= place.items() and len(known[-1]) == len(place) + 1:
        return [*known[:-1], {**place, "steps": [known[-1]["steps"][0], step]}]
    return [*known, {**place, "steps": [known[-1]["steps"][1] if known else 0, step]}]

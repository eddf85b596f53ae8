"""Checks of the input: one message says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from ensembles.arrays import IntArray, LogitArray
from ensembles.samples_first import SamplesFirst
from ensembles.simplex import refuse_probabilities
from ensembles.streaming import StackedMembers

LARGEST_LOGIT = float(np.finfo(np.float32).max)


def check_logits(
    logits: npt.ArrayLike | StackedMembers,
    members: int | None = None,
    classes: int | None = None,
    labels: Sequence[str] | None = None,
) -> LogitArray:
    """Return the logits as a floating-point array `[members, samples, classes]`, without a copy.

    StackedMembers are returned as they are. ValueError says what is wrong and where: another shape or type, values that
    are not finite in float32, probabilities in place of logits. When predicting, `members` and `classes` are those of
    the fit; `labels` name the members in messages.
    """
    if isinstance(logits, SamplesFirst):
        logits = logits.members_first()
    # StackedMembers are indexed as an array is, and are treated as one.
    array = cast(LogitArray, logits) if isinstance(logits, StackedMembers) else np.asarray(logits)
    if array.dtype.kind != "f":
        raise ValueError(f"logits must be floating point, got {array.dtype}")
    if array.ndim != 3:
        raise ValueError(f"logits must have the shape [members, samples, classes], got {list(array.shape)}")
    if array.shape[0] < 1 or array.shape[1] < 1 or array.shape[2] < 2:
        raise ValueError(f"logits need a member, a sample and two classes at least, got {list(array.shape)}")
    if members is not None and array.shape[0] != members:
        raise ValueError(f"fitted on {members} members, got logits of {array.shape[0]}")
    if classes is not None and array.shape[2] != classes:
        raise ValueError(f"fitted on {classes} classes, got logits of {array.shape[2]}")
    refuse_probabilities(array)
    if labels is not None and len(labels) != array.shape[0]:
        raise ValueError(f"{len(labels)} labels for logits of {array.shape[0]} members")
    broken = [(member, usable) for member, usable in _usable(array) if not usable.all()]
    if broken:
        member, usable = broken[0]
        sample, class_ = np.argwhere(~usable)[0]
        name = member if labels is None else labels[member]
        count = sum(other.size - np.count_nonzero(other) for _, other in broken)
        kind = "too large (beyond float32)" if np.isfinite(array[member][sample, class_]) else "non-finite"
        raise ValueError(
            f"logits hold {count} {kind} values, the first at member {name}, sample {sample}, class {class_}"
        )
    return array


def _usable(array: LogitArray) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Yield each member's number and which of its values are finite in float32, so that their squares are in float64.

    It goes member by member, because they may lie in files.
    """
    for member in range(len(array)):
        values = array[member]
        yield member, np.isfinite(values) if values.dtype.itemsize < 8 else np.abs(values) <= LARGEST_LOGIT


def check_targets(targets: npt.ArrayLike, samples: int, classes: int) -> IntArray:
    """Return the targets as int64 `[samples]` in 0..classes-1; ValueError says what is wrong and where."""
    array = np.asarray(targets)
    if array.dtype.kind not in "iu":
        raise ValueError(f"targets must be integers, got {array.dtype}")
    if array.shape != (samples,):
        raise ValueError(f"targets must have the shape [{samples}] to match the logits, got {list(array.shape)}")
    outside = np.flatnonzero((array < 0) | (array >= classes))
    if outside.size:
        first = outside[0]
        raise ValueError(
            f"targets must lie in 0..{classes - 1}; {outside.size} do not, the first at sample {first}: {array[first]}"
        )
    return array.astype(np.int64, copy=False)

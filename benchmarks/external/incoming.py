"""What a file of predictions made elsewhere holds, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.text import told

SPLITS = ("val", "test")
NAMED = 5  # arrays or columns that are not used, in the remarks


@dataclass(frozen=True, eq=False)
class Incoming:
    """What a file holds, by split, in its own order of rows and columns."""

    values: Mapping[str, np.ndarray]  # float64 [N, classes]
    ids: Mapping[str, np.ndarray | None]  # int64 [N]
    classes: tuple[str, ...] | None  # names of the columns
    remarks: tuple[str, ...] = field(default=())
    row_class: str | None = None  # of benchmarks.results.row_classes.FROM_ELSEWHERE


@dataclass(frozen=True)
class Expected:
    """What the suite calls its classes and its two splits, and how many images these have."""

    classes: tuple[str, ...]
    split_names: Mapping[str, str]  # `val` and `test` to the suite's names of them
    counts: Mapping[str, int]

    def title(self, split: str) -> str:
        """Return what messages call a split."""
        return f"{split} ({self.split_names[split]})"

    def check_shape(self, split: str, shape: tuple[int, ...]) -> None:
        """Raise ValueError where predictions of another shape than [N, classes] stand for a split."""
        wanted = (self.counts[split], len(self.classes))
        if shape != wanted:
            raise ValueError(f"{self.title(split)} holds {list(shape)}, not {list(wanted)}")


def integers(name: str, array: np.ndarray) -> np.ndarray:
    """Return row numbers as int64 [N]; raise ValueError where they are none."""
    # pandas makes floats of a column of integers in which a value was missing once, and R of any.
    kind = array.dtype.kind
    whole = kind in "iu" or (kind == "f" and bool((np.isfinite(array) & (array == np.floor(array))).all()))
    if not whole or array.ndim != 1:
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}; row numbers, integers [N], are needed")
    return array.astype(np.int64)


def ignored(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return a remark for each of the first arrays or columns that are not used, and one for the others."""
    more = len(names) - NAMED
    rest = [f"ignored: {more:,} more"] if more > 0 else []
    return (*(f"ignored: {kind} {told(repr(name))}" for name in names[:NAMED]), *rest)

"""Logits too large for memory: members that stay in their files, and loops over blocks of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_VALUES = 2**18  # logits at once: 2 MB in float64, within a core's second-level cache


class StackedMembers:
    """Logits `[members, samples, classes]` of members that lie apart, such as memory maps of files in a store.

    `members` are arrays `[samples, classes]` of one shape and dtype. What is indexed is read, and no more: an index is
    one member, or a selection of members, or such a selection with one of samples. ValueError where shapes differ.
    """

    def __init__(self, members: Sequence[npt.NDArray[Any]]) -> None:
        kinds = sorted({(str(list(member.shape)), str(member.dtype)) for member in members})
        if len(kinds) != 1 or members[0].ndim != 2:
            raise ValueError(f"members must be arrays [samples, classes] of one shape and dtype, got {kinds}")
        self.members = list(members)
        self.dtype = members[0].dtype
        self.shape: tuple[int, int, int] = (len(members), *members[0].shape)
        self.ndim = 3

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        members, samples = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(members, int | np.integer):
            return np.asarray(self.members[members][samples])
        chosen = np.arange(len(self.members))[members]
        return np.stack([self.members[member][samples] for member in chosen])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.stack(self.members).astype(dtype or self.dtype, copy=False)


def blocks(logits: Any, members: npt.NDArray[np.int64] | None = None) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Yield blocks of consecutive samples: which they are, and their logits `[M, n, C]` of all or of some members."""
    used = np.arange(len(logits)) if members is None else members
    _, samples, classes = logits.shape
    size = max(1, BLOCK_VALUES // (len(used) * classes))
    for start in range(0, samples, size):
        rows = slice(start, min(start + size, samples))
        yield rows, logits[:, rows] if members is None else logits[used, rows]

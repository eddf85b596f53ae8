"""What every reader is given and what it returns: the user's options, and images with targets in three splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.data.mapped import take

SPLIT_NAMES = ("train", "val", "test")


@dataclass(frozen=True)
class DataOptions:
    """`path` a file or folder (None: the usual places), `side` the stored images' side in pixels (None: the suite's),
    `groups` what keeps images together in one split, `seed` of splits that no one has published, `cached` whether what
    was decoded from the same files before may be taken, `unlabelled` a folder of further images, without labels, for
    members that learn from some: it decides nothing of the suite."""

    path: Path | None = None
    side: int | None = None
    groups: str = ""
    seed: int = 0
    cached: bool = True
    unlabelled: Path | None = None

    def flags(self) -> dict[str, str]:
        """Return what was asked for beside the path, by the command line's name of it."""
        return {
            flag: str(getattr(self, field))
            for field, flag in FLAGS.items()
            if getattr(self, field) != getattr(DataOptions, field)
        }

    @classmethod
    def from_flags(cls, flags: Mapping[str, str]) -> Self:
        """Return the options that `flags` gave, with `--data` for the path; other flags are not looked at."""
        given = {field: flags[flag] for field, flag in FLAGS.items() if flag in flags}
        numbers: dict[str, Any] = {field: int(value) for field, value in given.items() if field != "groups"}
        return cls(Path(flags["--data"]) if "--data" in flags else None, groups=given.get("groups", ""), **numbers)


FLAGS = {"side": "--image-side", "groups": "--groups", "seed": "--split-seed"}
"""The command line's name of each option that not every suite has."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split.

    images   uint8 [N, C, H, W]; a read-only memory map where there are too many for memory
    targets  int64 [N], class indices
    ids      N strings, unique within the split
    votes    optional [N, classes], annotators' votes
    affect   optional [N, 2], valence and arousal in [-1, 1]
    rows     optional int64 [N], the row of the original file that each image came from, from 0: what a second file in
             the same order (the FER+ votes) is joined by. None where the form does not know it.
    groups   optional int64 [N], what belongs together, such as the person on each image: no two of a group are
             independent observations

    Raises ValueError where a shape or a type is another.
    """

    images: np.ndarray
    targets: np.ndarray
    ids: Sequence[str] | np.ndarray
    votes: np.ndarray | None = None
    affect: np.ndarray | None = None
    rows: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.targets)
        _check("images", self.images, np.uint8, (count, None, None, None))
        _check("targets", self.targets, np.int64, (count,))
        if len(self.ids) != count:
            raise ValueError(f"ids: {len(self.ids)} of them for {count} targets")
        if self.votes is not None:
            _check("votes", self.votes, np.number, (count, None))
        if self.affect is not None:
            _check("affect", self.affect, np.floating, (count, 2))
        if self.rows is not None:
            _check("rows", self.rows, np.int64, (count,))
        if self.groups is not None:
            _check("groups", self.groups, np.int64, (count,))

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: np.ndarray) -> "Split":
        """Return these rows, in their order."""
        optional = {name: None if part is None else part[rows] for name, part in self.optional().items()}
        return Split(take(self.images, rows), self.targets[rows], np.asarray(self.ids)[rows], **optional)

    def optional(self) -> dict[str, np.ndarray | None]:
        """Return the arrays that not every data set has, by name."""
        return {"votes": self.votes, "affect": self.affect, "rows": self.rows, "groups": self.groups}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits and what identifies them.

    classes      names, in the order of the class indices
    fingerprint  of pixels and labels, the same for every on-disk form that holds the same ones
    source       a few words on the form the data was read from, never a path
    notes        what the user should know and nothing failed over, one sentence each
    listings     texts by file name that say in full what a note says in short, such as which images were left out
    unlabelled   uint8 [M, C, H, W] as those of the splits, images without labels; None where none are asked for
    """

    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    fingerprint: str
    source: str
    notes: tuple[str, ...] = ()
    listings: Mapping[str, str] = field(default_factory=dict)
    unlabelled: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, split in self.splits().items():
            outside = (split.targets < 0) | (split.targets >= len(self.classes))
            if outside.any():
                raise ValueError(f"{name}: target {split.targets[outside][0]} is outside 0..{len(self.classes) - 1}")

    def splits(self) -> dict[str, Split]:
        """Return the three splits by name, in the order train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}


def _check(name: str, array: np.ndarray, dtype: type, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits or not np.issubdtype(array.dtype, dtype):
        wanted = ", ".join("*" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected {dtype.__name__} [{wanted}], got {array.dtype} {list(array.shape)}")

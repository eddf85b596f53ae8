"""What scores predictions: the targets of val and test, what is known of the images behind them, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import Dataset
from benchmarks.data.copies import DETECTOR, near_copies_in
from benchmarks.data.fingerprint import also_in
from benchmarks.store.container import Gone, StoreError, read_file, set_aside, write_file
from benchmarks.store.headers import TargetsHeader
from benchmarks.store.locks import locked

OVERLAPS = ("val_in_train", "test_in_train", "test_in_val", "test_near_train")
RATINGS = ("val_affect", "test_affect")
ROWS = ("val_rows", "test_rows")
OPTIONAL = (*ROWS, "val_groups", "test_groups", *OVERLAPS, *RATINGS)
"""Arrays of Targets that older files, or some forms of data, lack."""
MEND = "a run with --data DIR writes it anew"


@dataclass(frozen=True)
class Targets:
    """What scores the predictions: targets int64 [N] of val and test, and what they belong to.

    `val_rows` and `test_rows`, int32 [N], are the rows of the original file that the images came from, from 0: they
    line up predictions made elsewhere. None where the form of the data did not tell.
    `val_in_train`, `test_in_train` and `test_in_val` say which images also stand, pixel for pixel, in another split:
    bool [N], None where a file that was written before they were kept does not know. `test_near_train` also counts what
    shows the same photograph in other pixels (data/copies.py), as its detector of today finds them: what an earlier one
    left in a file counts as not known.
    `val_affect` and `test_affect`, float32 [N, 2], are valence and arousal in [-1, 1], NaN or -2 where an image has no
    rating; None where the data has none.
    `val_groups` and `test_groups`, int32 [N], say which images belong together, such as those of one person; None where
    each stands for itself, or in a file that was written before those of val were kept.
    `notes` are what the reader of the data had to say of it.
    """

    val: np.ndarray
    test: np.ndarray
    fingerprint: str
    classes: tuple[str, ...]
    train_size: int
    val_rows: np.ndarray | None = None
    test_rows: np.ndarray | None = None
    val_in_train: np.ndarray | None = None
    test_in_train: np.ndarray | None = None
    test_in_val: np.ndarray | None = None
    test_near_train: np.ndarray | None = None
    val_affect: np.ndarray | None = None
    test_affect: np.ndarray | None = None
    val_groups: np.ndarray | None = None
    test_groups: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, kept: Targets | None = None) -> Targets:
        """Take the targets of a data set that was read; what of its images `kept` ones of the same data know already,
        which images stand in two splits, is theirs."""
        train, val, test = dataset.train, dataset.val, dataset.test
        known = {} if kept is None or kept.fingerprint != dataset.fingerprint else kept.overlaps()
        overlaps = {name: known[name] if name in known else _overlap(dataset, name) for name in OVERLAPS}
        val_rows, test_rows = (None if split.rows is None else split.rows.astype(np.int32) for split in (val, test))
        val_affect, test_affect = (
            None if split.affect is None else split.affect.astype(np.float32) for split in (val, test)
        )
        return cls(
            val.targets,
            test.targets,
            dataset.fingerprint,
            dataset.classes,
            len(train),
            val_rows=val_rows,
            test_rows=test_rows,
            **overlaps,
            val_affect=val_affect,
            test_affect=test_affect,
            val_groups=None if val.groups is None else val.groups.astype(np.int32),
            test_groups=None if test.groups is None else test.groups.astype(np.int32),
            notes=dataset.notes,
        )

    def extras(self) -> dict[str, np.ndarray]:
        """Return the optional arrays that are known, by name."""
        known = {name: getattr(self, name) for name in OPTIONAL}
        return {name: array for name, array in known.items() if array is not None}

    def overlaps(self) -> dict[str, np.ndarray]:
        """Return what is known of images that stand in two splits."""
        return {name: marks for name, marks in self.extras().items() if name in OVERLAPS}


def _overlap(dataset: Dataset, name: str) -> np.ndarray | None:
    """Compare the images of two splits, as the name of an overlap says; None where that cannot be told."""
    of, how, among = name.split("_")
    images, others = (dataset.splits()[split].images for split in (of, among))
    return near_copies_in(images, others) if how == "near" else also_in(images, others)


def save_targets(folder: Path, targets: Targets) -> None:
    """Keep the targets of val and test in a store's folder, once for each fingerprint; add what a kept file lacks.

    The fingerprint says nothing of the order of a file's rows. Where they were moved since, those of the last reading
    are kept: it is they that the listings beside the reports, and the user's own predictions, go by. A kept file is set
    aside where it is damaged. Raises CannotWrite and Occupied.
    """
    if _lacking(targets_path(folder, targets.fingerprint), targets) is None:
        return
    with locked(folder):
        path = targets_path(folder, targets.fingerprint)
        kept = _lacking(path, targets)  # another process may have written them meanwhile
        if kept is None:
            return
        kind = np.min_scalar_type(max(0, len(targets.classes) - 1))  # uint8, or uint16 of more than 256 classes
        labels = {"val": targets.val.astype(kind), "test": targets.test.astype(kind)}
        header = {
            "fingerprint": targets.fingerprint,
            "classes": list(targets.classes),
            "train_size": targets.train_size,
            "notes": list(targets.notes),
            "near_by": DETECTOR,
        }
        write_file(path, {**labels, **_as_bytes(kept), **_as_bytes(targets.extras())}, header)


def _lacking(path: Path, targets: Targets) -> dict[str, np.ndarray] | None:
    """Return the optional arrays of a kept file that is to be written anew; None where it has all that is known."""
    try:
        kept = read_targets(path).extras()
    except Gone:
        return {}
    except StoreError:  # those at hand are of the images themselves
        set_aside(path)
        return {}
    extras = targets.extras()
    moved = any(name in kept and name in extras and not np.array_equal(kept[name], extras[name]) for name in ROWS)
    return None if extras.keys() <= kept.keys() and not moved else kept


def load_targets(folder: Path, fingerprint: str) -> Targets:
    """Load the targets that a store keeps of that data; raise StoreError where it has none or their file is damaged."""
    path = targets_path(folder, fingerprint)
    try:
        return read_targets(path)
    except Gone as error:
        raise StoreError(f"{path.name}: is missing, and with it the targets of data {fingerprint}; {MEND}") from error


def kept_targets(folder: Path, fingerprint: str) -> Targets | None:
    """Load the targets that a store keeps of that data; None where it has none that can be used."""
    try:
        return load_targets(folder, fingerprint)
    except StoreError:
        return None


def read_targets(path: Path) -> Targets:
    """Read a file of targets; raise StoreError where it is damaged, or holds what targets cannot be, Gone where there
    is none."""
    try:
        arrays, header, _ = read_file(path, TargetsHeader)
        _check(arrays, header)
    except Gone:
        raise
    except StoreError as error:
        reason = str(error).removeprefix(f"{path.name}: ")
        raise StoreError(f"{path.name}: {reason}; {MEND}") from error
    val, test = (arrays[split].astype(np.int64) for split in ("val", "test"))
    known: dict[str, Any] = {name: arrays[name] for name in OPTIONAL if name in arrays}
    known |= {name: known[name].astype(bool) for name in OVERLAPS if name in known}
    if header.get("near_by") != DETECTOR:
        known.pop("test_near_train", None)
    known["notes"] = tuple(header.get("notes", ()))
    return Targets(val, test, header["fingerprint"], tuple(header["classes"]), header["train_size"], **known)


def _check(arrays: dict[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Refuse arrays that are no targets: classes out of range, lengths that differ, a row of the data twice."""
    for split in ("val", "test"):
        labels = arrays.get(split)
        if labels is None or labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer):
            raise StoreError(f"{split} holds no classes")
        if labels.min() < 0 or labels.max() >= len(header["classes"]):
            raise StoreError(f"{split} holds classes beyond the {len(header['classes'])} that the data has")
        for name in OPTIONAL:
            expected = (len(labels), 2) if name in RATINGS else (len(labels),)
            if name in arrays and name.startswith(f"{split}_") and arrays[name].shape != expected:
                raise StoreError(f"{name} is of {list(arrays[name].shape)}, {split} of {len(labels)} images")
    for name in OVERLAPS:
        if name in arrays and not np.isin(arrays[name], (0, 1)).all():
            raise StoreError(f"{name} holds other marks than yes and no")
    for name in ROWS:
        if name in arrays and len(np.unique(arrays[name])) != len(arrays[name]):
            raise StoreError(f"{name} names a row of the data twice")


def targets_path(folder: Path, fingerprint: str) -> Path:
    """Return where a store keeps the targets of the data of that fingerprint."""
    return folder / f"targets.{fingerprint[:12]}.safetensors"


def _as_bytes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Convert truth values to uint8: the file format has them, its numpy reader does not."""
    return {name: array.astype(np.uint8) if array.dtype == bool else array for name, array in arrays.items()}

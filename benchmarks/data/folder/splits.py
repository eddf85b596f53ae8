"""Which image of a folder is for training, for choosing and for scoring.

What folders say holds. What they leave open is drawn by seed, stratified by class, with groups kept together:

    no folders     10 % test, 10 % val, the rest train
    train, test    an eighth of train becomes val, as in FER2013
    train, val     val is then what scores, and an eighth of train becomes val: nothing is chosen on what is scored
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.data.errors import DataError
from benchmarks.data.folder.layout import Layout
from benchmarks.data.splits import hold_out_parts

TENTHS, EIGHTHS = 10, 8
FER2013_TRAIN = 28_709  # images
FEW_TO_LEARN, FEW_TO_CHOOSE = 5_000, 100  # images in train, in val
FOLDS = 5  # of cross-fits on val, where it has so many images
ENOUGH_GROUPS = 10  # in test, for a bootstrap over them


@dataclass(frozen=True, eq=False)
class Assignment:
    """Rows int64 of train, val and test by name, together all, and what the user should know of them."""

    rows: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def assign(layout: Layout, groups: np.ndarray | None, seed: int) -> Assignment:
    """Assign images to the three splits; `groups` [N] never stand in two of them.

    Raises DataError where a class has too few images or groups, a group stands in two folders, or a seed is given with
    nothing to draw.
    """
    if groups is not None:
        _check_groups(layout, groups)
    found = _assign(layout, groups, seed)
    found = replace(found, notes=(*found.notes, *_on_sizes(layout, found.rows)))
    if groups is None:
        return found
    count = len(np.unique(groups[found.rows["test"]]))
    if len(np.unique(groups[found.rows["val"]])) == 1:
        note = "Val holds one group alone: ensembles are cross-fitted as if each of its images stood for itself."
        found = replace(found, notes=(*found.notes, note))
    if count >= ENOUGH_GROUPS:
        return found
    note = (
        f"The test split holds {count} of {len(np.unique(groups)):,} groups. Intervals are drawn over whole groups: of "
        f"fewer than {ENOUGH_GROUPS} they are too narrow, of one they say nothing."
    )
    return replace(found, notes=(*found.notes, note))


def _assign(layout: Layout, groups: np.ndarray | None, seed: int) -> Assignment:
    given, everything = layout.splits, np.arange(len(layout.files))
    if given.keys() == {"train", "val", "test"}:
        if seed:
            raise DataError("--split-seed has nothing to decide: train, val and test are all given as folders.")
        return Assignment(given)
    if given.keys() <= {"train"}:
        test, val, train = _drawn(layout, everything, groups, TENTHS, 2, seed)
        notes = ("Of the three splits only train has a folder: its images were split 80:10:10.",) if given else ()
        return Assignment({"train": train, "val": val, "test": test}, notes)
    val, train = _drawn(layout, given["train"], groups, EIGHTHS, 1, seed)
    if "test" in given:
        note = f"No folder for val: {len(val):,} images of train were held out for it."
        return Assignment({"train": train, "val": val, "test": given["test"]}, (note,))
    note = (
        f"No folder for test: the val folder is what scores, and {len(val):,} images of train were held out to choose "
        "by, because nothing may be chosen on what is scored."
    )
    return Assignment({"train": train, "val": val, "test": given["val"]}, (note,))


def _on_sizes(layout: Layout, rows: dict[str, np.ndarray]) -> list[str]:
    """Write notes on splits of few images: networks learn little from them, or little is chosen by."""
    notes = []
    train, val = len(rows["train"]), len(rows["val"])
    if train < FEW_TO_LEARN:
        notes.append(
            f"Train holds {train:,} images, {_of_a_class(layout, rows['train'])}. Recipes were set on "
            f"{FER2013_TRAIN:,}: on so few, training takes more epochs (--epochs says how many), and members that "
            "start from other weights (*_imagenet) learn more."
        )
    if val < FEW_TO_CHOOSE:
        folds = f" Ensembles are cross-fitted on it in {val} folds." if val < FOLDS else ""
        notes.append(
            f"Val holds {val:,} images, {_of_a_class(layout, rows['val'])}: epochs and ensembles are chosen by these, "
            f"and one image is {100 / val:.1f} points of accuracy.{folds}"
        )
    return notes


def _of_a_class(layout: Layout, rows: np.ndarray) -> str:
    """Say how many images a class has: `8 of each class`, or `18 (contempt) to 249 (surprise) of a class`."""
    counts = np.bincount(layout.targets[rows], minlength=len(layout.classes))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[least] == counts[most]:
        return f"{counts[least]:,} of each class"
    return f"{counts[least]:,} ({layout.classes[least]}) to {counts[most]:,} ({layout.classes[most]}) of a class"


def _drawn(
    layout: Layout, rows: np.ndarray, groups: np.ndarray | None, parts: int, held: int, seed: int
) -> list[np.ndarray]:
    """Draw `held` parts of `parts`, and return them and the rows that stay."""
    targets, own = layout.targets[rows], None if groups is None else groups[rows]
    for place, name in enumerate(layout.classes):
        if own is None:
            count, needed, what = int((targets == place).sum()), parts, "images"
        else:
            count, needed, what = len(np.unique(own[targets == place])), held + 1, "groups"
        if count < needed:
            raise DataError(
                f"{name}: {count} {what} are too few to have some in every split; {needed} are needed. Add images, "
                "leave the class out, or give the splits as folders train, val and test."
            )
    return [rows[part] for part in hold_out_parts(targets, parts, held, seed, own)]


def _check_groups(layout: Layout, groups: np.ndarray) -> None:
    """Raise DataError where a group stands in two of the folders that say splits."""
    first: dict[str, tuple[str, int]] = {}
    for split, rows in layout.splits.items():
        for row in rows:
            seen, twin = first.setdefault(groups[row], (split, row))
            if seen != split:
                raise DataError(_on_both_sides(layout.files, str(groups[row]), int(twin), int(row)))


def _on_both_sides(files: Sequence[str], group: str, one: int, other: int) -> str:
    return (
        f"The group {group} stands on both sides of a split: {files[one]} and {files[other]}. Put all its images into "
        "one, or leave out the folders of the splits, and images are split by group."
    )

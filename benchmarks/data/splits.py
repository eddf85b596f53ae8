"""Splits by seed, stratified by class; with groups, no group stands on two sides."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np

from benchmarks.data.errors import DataError


def folds(targets: np.ndarray, count: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide rows into `count` parts, each sorted: targets int64 [N], groups any [N].

    Raises DataError where a class has fewer images, or there are fewer groups, than parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    available = int(np.bincount(targets)[np.unique(targets)].min()) if groups is None else len(np.unique(groups))
    what = "images in the smallest class" if groups is None else "groups"
    if available < count:
        raise DataError(f"{available} {what} cannot be split into {count} parts: add images, or ask for fewer parts")
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(count, shuffle=True, random_state=seed)
    return [np.sort(held_out) for _, held_out in splitter.split(targets, targets, groups)]


def hold_out(
    targets: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that stay and rows held out, sorted; with groups, the share is met as nearly as whole groups allow.

    Raises DataError as `folds` does.
    """
    from sklearn.model_selection import train_test_split

    if groups is not None:
        held = folds(targets, round(1 / share), seed, groups)[0]
        return np.setdiff1d(np.arange(len(targets)), held), held
    count = round(share * len(targets))
    if count < len(np.unique(targets)) or np.bincount(targets)[np.unique(targets)].min() < 2:
        raise DataError(f"{len(targets)} images are too few to hold {share:.0%} of them out with every class in it")
    stays, held = train_test_split(np.arange(len(targets)), test_size=count, stratify=targets, random_state=seed)
    return np.sort(stays), np.sort(held)


def hold_out_parts(
    targets: np.ndarray, parts: int, held: int, seed: int, groups: np.ndarray | None = None
) -> list[np.ndarray]:
    """Hold out `held` parts of about 1/`parts` of the images each; return them, and last the rows that stay. Each holds
    every class.

    With fewer groups than parts, a group is a part. Raises DataError as `folds` does, and where whole groups cannot be
    held out so that every class is on all sides.
    """
    most = parts if groups is None else min(parts, len(np.unique(groups)), int(np.bincount(targets).max()))
    count, classes = max(held + 1, most), len(np.unique(targets))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer images than parts: see below
        found = folds(targets, count, seed, groups)
    for chosen in combinations(range(count), held):
        stays = np.sort(np.concatenate([rows for part, rows in enumerate(found) if part not in chosen]))
        sides = [*(found[part] for part in chosen), stays]
        if all(len(np.unique(targets[rows])) == classes for rows in sides):
            return sides
    raise DataError(
        f"Whole groups cannot be held out so that all {classes} classes are in every split: another seed may find a "
        "way (--split-seed), or give the splits yourself."
    )


def draw(targets: np.ndarray, counts: np.ndarray, seed: int) -> np.ndarray:
    """Draw as many images of each class as counts [K] say, without replacement; return their rows, sorted."""
    random = np.random.default_rng(seed)
    rows = [
        random.choice(np.flatnonzero(targets == target), count, replace=False) for target, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(rows))

"""Splits by seed, stratified by class; with groups, no group stands on two sides."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np

from benchmarks.data.errors import DataError
from ensembles.splits import stratified_splits


def folds(targets: np.ndarray, count: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide rows into `count` parts, each sorted: targets int64 [N], groups any [N].

    Raises DataError where a class has fewer images, or there are fewer groups, than parts.
    """
    available = int(np.bincount(targets)[np.unique(targets)].min()) if groups is None else len(np.unique(groups))
    what = "images in the smallest class" if groups is None else "groups"
    if available < count:
        raise DataError(f"{available} {what} cannot be split into {count} parts: add images, or ask for fewer parts")
    if groups is None:
        return [held_out for _, held_out in stratified_splits(targets, count, 1, seed)]
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [np.sort(held_out) for _, held_out in splitter.split(targets, targets, groups)]


def hold_out(
    targets: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that stay and rows held out, sorted; with groups, the share is met as nearly as whole groups allow.

    Raises DataError as `folds` does.
    """
    if groups is not None:
        held = folds(targets, round(1 / share), seed, groups)[0]
        return np.setdiff1d(np.arange(len(targets)), held), held
    count = round(share * len(targets))
    if count < len(np.unique(targets)) or np.bincount(targets)[np.unique(targets)].min() < 2:
        raise DataError(f"{len(targets)} images are too few to hold {share:.0%} of them out with every class in it")
    stays, held = shuffled_shares(targets, count, seed)
    return np.sort(stays), np.sort(held)


def shuffled_shares(targets: np.ndarray, held: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that stay and `held` rows held out, both shuffled, with each class on both sides by its share.

    They are those that scikit-learn's stratified `train_test_split` draws, whose import takes a second.
    """
    random = np.random.RandomState(seed)
    counts = np.bincount(targets)
    staying = _apportioned(counts, len(targets) - held, random)
    leaving = _apportioned(counts - staying, held, random)
    stays, leaves = [], []
    for target in np.unique(targets):
        rows = np.flatnonzero(targets == target)[random.permutation(counts[target])]
        stays.append(rows[: staying[target]])
        leaves.append(rows[staying[target] : staying[target] + leaving[target]])
    return random.permutation(np.concatenate(stays)), random.permutation(np.concatenate(leaves))


def _apportioned(counts: np.ndarray, drawn: int, random: np.random.RandomState) -> np.ndarray:
    """Return how many of `drawn` rows each class has, by its count; the largest remainders are rounded up, of equal
    ones which by chance."""
    shares = counts / counts.sum() * drawn
    whole = np.floor(shares).astype(int)
    remainders = shares - whole
    missing = drawn - whole.sum()
    for remainder in np.unique(remainders)[::-1]:
        if missing <= 0:
            break
        (equal,) = np.nonzero(remainders == remainder)
        chosen = random.choice(equal, min(len(equal), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    return whole


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

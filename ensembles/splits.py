"""Stratified splits that allow rare and absent classes, and keep groups of samples together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ensembles.arrays import IntArray


def stratified_splits(
    targets: IntArray, folds: int, repeats: int, random_state: int, groups: npt.NDArray[Any] | None = None
) -> list[tuple[IntArray, IntArray]]:
    """Return `folds * repeats` pairs (fit indices, held-out indices) of repeated stratified K-fold.

    Classes with fewer samples than folds cannot stand in every fold; they are stratified together, as one class.
    Samples of one of the `groups` [N], such as one person's, are held out together; a fold that no group is left for is
    passed over. ValueError where there are fewer samples or groups than folds, or fewer than two folds.
    """
    if folds < 2 or repeats < 1:
        raise ValueError(f"need two folds and one repeat at least, got {folds} folds and {repeats} repeats")
    if len(targets) < folds:
        raise ValueError(f"{len(targets)} samples cannot be split into {folds} folds")
    if groups is not None:
        return _grouped_splits(targets, folds, repeats, random_state, groups)
    random = np.random.RandomState(random_state)
    strata = _by_first_sample(_strata(targets, folds))
    splits = []
    for _ in range(repeats):
        fold_of = _drawn_folds(strata, folds, random)
        splits += [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(folds)]
    return splits


def _drawn_folds(strata: IntArray, folds: int, random: np.random.RandomState) -> IntArray:
    """Draw each sample's fold `[N]`: those that scikit-learn's StratifiedKFold draws, whose import takes a second.

    Samples sorted by stratum are dealt out to the folds in turn, which says how many of each a fold has; which they are
    is drawn stratum by stratum.
    """
    dealt = [np.bincount(np.sort(strata)[fold::folds], minlength=strata.max() + 1) for fold in range(folds)]
    fold_of = np.empty(len(strata), dtype=np.int64)
    for stratum, sizes in enumerate(np.transpose(dealt)):
        drawn = np.repeat(np.arange(folds), sizes)
        random.shuffle(drawn)
        fold_of[strata == stratum] = drawn
    return fold_of


def _by_first_sample(strata: IntArray) -> IntArray:
    """Number strata in the order in which they first appear."""
    _, first, of = np.unique(strata, return_index=True, return_inverse=True)
    numbers: IntArray = np.argsort(np.argsort(first))[of]
    return numbers


def _grouped_splits(
    targets: IntArray, folds: int, repeats: int, random_state: int, groups: npt.NDArray[Any]
) -> list[tuple[IntArray, IntArray]]:
    from sklearn.model_selection import StratifiedGroupKFold

    if len(groups) != len(targets):
        raise ValueError(f"{len(groups)} groups for {len(targets)} samples")
    if (count := len(np.unique(groups))) < folds:
        raise ValueError(f"samples of {count} groups cannot be split into {folds} folds")
    splits: list[tuple[IntArray, IntArray]] = []
    for seed in np.random.RandomState(random_state).randint(2**31, size=repeats).tolist():
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        found = splitter.split(np.zeros(len(targets)), _strata(targets, folds), groups)
        splits += [(fit, held_out) for fit, held_out in found if len(held_out)]
    return splits


def _strata(targets: IntArray, folds: int) -> IntArray:
    counts = np.bincount(targets)
    rare = counts[targets] < folds
    if not rare.any():
        return targets
    # Too few even together: they join the commonest class, unless that is rare as well and all are one stratum.
    pooled = len(counts) if rare.sum() >= folds else int(counts.argmax())
    return np.where(rare, pooled, targets)

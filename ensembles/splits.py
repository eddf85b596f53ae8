"""Stratified splits that bear rare and absent classes."""

from __future__ import annotations

import numpy as np

from ensembles.arrays import IntArray


def stratified_splits(
    targets: IntArray, folds: int, repeats: int, random_state: int
) -> list[tuple[IntArray, IntArray]]:
    """Repeated stratified K-fold as (fit indices, held-out indices), repeat by repeat; `folds * repeats` pairs.

    Classes with fewer samples than folds cannot stand in every fold; they are stratified together, as one class.
    ValueError where there are fewer samples than folds, or fewer than two folds.
    """
    if folds < 2 or repeats < 1:
        raise ValueError(f"need two folds and one repeat at least, got {folds} folds and {repeats} repeats")
    if len(targets) < folds:
        raise ValueError(f"{len(targets)} samples cannot be split into {folds} folds")
    from sklearn.model_selection import RepeatedStratifiedKFold

    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=random_state)
    return list(splitter.split(np.zeros(len(targets)), _strata(targets, folds)))


def _strata(targets: IntArray, folds: int) -> IntArray:
    counts = np.bincount(targets)
    rare = counts[targets] < folds
    if not rare.any():
        return targets
    # Too few even together: they join the commonest class, unless that is rare as well and all are one stratum.
    pooled = len(counts) if rare.sum() >= folds else int(counts.argmax())
    return np.where(rare, pooled, targets)

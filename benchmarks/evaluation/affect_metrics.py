"""Scores of valence and arousal against ratings: NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import DIMENSIONS
from ensembles.affect.base import rated


def affect_scores(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> dict[str, dict[str, float]]:
    """Return rmse, corr, sagr and ccc of predictions and targets `[N, 2]`, for `valence` and for `arousal`.

    Samples without a rating (NaN or -2) do not count; ValueError where none has one.
    """
    known = rated(targets)
    if predictions.shape != targets.shape or not known.any():
        raise ValueError(f"expected two [N, 2] with a rating, got {predictions.shape} and {targets.shape}")
    scores = {"rmse": rmse, "corr": pearson, "sagr": sign_agreement, "ccc": concordance}
    return {
        dimension: {name: score(predictions[known, column], targets[known, column]) for name, score in scores.items()}
        for column, dimension in enumerate(DIMENSIONS)
    }


def rmse(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return the root of the mean squared error of `[N]`."""
    return float(np.sqrt(((predictions - targets) ** 2).mean()))


def pearson(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return Pearson's correlation of `[N]`; nan where either is constant."""
    own, truth = predictions - predictions.mean(), targets - targets.mean()
    spread = float(np.sqrt((own**2).sum() * (truth**2).sum()))
    return float((own * truth).sum()) / spread if spread > 0 else float("nan")


def sign_agreement(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return the share of `[N]` with the same sign (SAGR, arXiv:1708.03985); zero is a sign of its own."""
    return float((np.sign(predictions) == np.sign(targets)).mean())


def concordance(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return Lin's concordance correlation coefficient of `[N]` (doi:10.2307/2532051).

    With population variances; 0 for constant predictions, 1 where both are the same constant.
    """
    own, truth = predictions.mean(), targets.mean()
    covariance = ((predictions - own) * (targets - truth)).mean()
    room = predictions.var() + targets.var() + (own - truth) ** 2
    return float(2.0 * covariance / room) if room > 0 else 1.0

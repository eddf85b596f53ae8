"""How often models are right when they say how sure they are: reliability in bins, of the top class and class by class.

NumPy only; `probabilities [N, C]`, `targets [N]`. A bin holds its upper edge, as in arXiv:1706.04599.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.analyses import Reliability

BINS = 15

Probabilities = NDArray[np.floating]
Targets = NDArray[np.integer]


def calibration_error(probabilities: Probabilities, targets: Targets, bins: int = BINS) -> float:
    """Return the gap between top probability and accuracy, averaged over bins by their share (arXiv:1706.04599)."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    return _gap(confidence, probabilities.argmax(axis=1) == targets, bins)


def class_calibration_errors(probabilities: Probabilities, targets: Targets, bins: int = BINS) -> list[float]:
    """Return for each class the gap between its probability and how often it is the target, averaged over bins.

    Kull et al. 2019, arXiv:1910.12656. It sees a class that is found too likely, or not likely enough, without ever
    being on top.
    """
    every = range(probabilities.shape[1])
    return [_gap(probabilities[:, label].astype(np.float64), targets == label, bins) for label in every]


def reliability(probabilities: Probabilities, targets: Targets, bins: int = BINS) -> Reliability:
    """Return count, mean confidence and accuracy of each bin of `calibration_error` that holds a sample."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct, bin_of = probabilities.argmax(axis=1) == targets, _bins(confidence, bins)
    count = np.bincount(bin_of, minlength=bins)
    held = count > 0

    def means(values: NDArray[np.float64]) -> list[float]:
        return (np.bincount(bin_of, values, bins)[held] / count[held]).tolist()

    return {
        "count": count[held].tolist(),
        "confidence": means(confidence),
        "accuracy": means(correct.astype(np.float64)),
    }


def _gap(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int) -> float:
    surplus = np.bincount(_bins(confidence, bins), weights=confidence - correct, minlength=bins)
    return float(np.abs(surplus).sum() / len(correct))


def _bins(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)

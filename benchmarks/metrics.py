"""Scores of class probabilities against targets: NumPy only, one function a score.

Every function takes `probabilities [N, C]` (rows on the simplex) and `targets [N]` (int64 class indices), and raises
ValueError where their shapes do not fit. The predicted class is the first of the largest probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.floating]
Targets = NDArray[np.integer]


def correctness(probabilities: Probabilities, targets: Targets) -> NDArray[np.bool_]:
    """Which samples the top class gets right, `[N]` bool: what the bootstrap and the paired tests work on."""
    _check(probabilities, targets)
    correct: NDArray[np.bool_] = probabilities.argmax(axis=1) == targets
    return correct


def accuracy(probabilities: Probabilities, targets: Targets) -> float:
    """Share of samples whose top class is the target."""
    return float(correctness(probabilities, targets).mean())


def confusion_matrix(probabilities: Probabilities, targets: Targets) -> NDArray[np.int64]:
    """Counts `[C, C]`: rows are targets, columns are predicted classes."""
    _check(probabilities, targets)
    classes = probabilities.shape[1]
    cells = np.asarray(targets, dtype=np.int64) * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def macro_f1(probabilities: Probabilities, targets: Targets) -> float:
    """Mean F1 over the classes that occur as a target or as a prediction."""
    counts = confusion_matrix(probabilities, targets)
    occurrences = counts.sum(axis=0) + counts.sum(axis=1)
    present = occurrences > 0
    return float(np.mean(2.0 * np.diag(counts)[present] / occurrences[present]))


def balanced_accuracy(probabilities: Probabilities, targets: Targets) -> float:
    """Mean recall over the classes that occur as a target."""
    counts = confusion_matrix(probabilities, targets)
    support = counts.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(counts)[present] / support[present]))


def log_loss(probabilities: Probabilities, targets: Targets) -> float:
    """Mean negative log probability of the target, in nats; a zero counts as the smallest step above it of its type."""
    _check(probabilities, targets)
    floor = np.finfo(probabilities.dtype).eps
    chosen = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log(np.clip(chosen, floor, 1.0)).mean())


def brier_score(probabilities: Probabilities, targets: Targets) -> float:
    """Mean squared distance of the probabilities from the one-hot target, summed over classes: 0 to 2."""
    _check(probabilities, targets)
    distance = probabilities.astype(np.float64)
    distance[np.arange(len(targets)), targets] -= 1.0
    return float((distance**2).sum(axis=1).mean())


def expected_calibration_error(probabilities: Probabilities, targets: Targets, bins: int = 15) -> float:
    """Gap between confidence and accuracy, averaged over `bins` equal-width bins by their share (arXiv:1706.04599).

    The confidence is the top probability; a bin holds its upper edge, as in the paper.
    """
    correct = correctness(probabilities, targets)
    confidence = probabilities.max(axis=1).astype(np.float64)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    surplus = np.bincount(bin_of, weights=confidence - correct, minlength=bins)
    return float(np.abs(surplus).sum() / len(correct))


def _check(probabilities: Probabilities, targets: Targets) -> None:
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1] or len(targets) == 0:
        shapes = f"{probabilities.shape} and {targets.shape}"
        raise ValueError(f"expected probabilities [N, C] and targets [N], got {shapes}")

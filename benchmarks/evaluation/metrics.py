"""Scores against targets: NumPy only, one function a score.

Of classes: a function takes `probabilities [N, C]` (rows on the simplex) and `targets [N]` (int64 class indices), and
raises ValueError where their shapes do not fit. The predicted class is the first of the largest probabilities. Of
valence and arousal: see `affect_scores`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import DIMENSIONS
from ensembles.affect.base import rated

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


def class_f1(probabilities: Probabilities, targets: Targets) -> list[float | None]:
    """F1 of every class; None for a class that occurs neither as a target nor as a prediction."""
    counts = confusion_matrix(probabilities, targets)
    occurrences = (counts.sum(axis=0) + counts.sum(axis=1)).tolist()
    right = np.diag(counts).tolist()
    return [2.0 * hits / seen if seen else None for hits, seen in zip(right, occurrences, strict=True)]


def macro_f1(probabilities: Probabilities, targets: Targets) -> float:
    """Mean F1 over the classes that occur as a target or as a prediction."""
    return float(np.mean([score for score in class_f1(probabilities, targets) if score is not None]))


def balanced_accuracy(probabilities: Probabilities, targets: Targets) -> float:
    """Mean recall over the classes that occur as a target."""
    counts = confusion_matrix(probabilities, targets)
    support = counts.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(counts)[present] / support[present]))


def cohen_kappa(probabilities: Probabilities, targets: Targets) -> float:
    """Agreement of predicted classes and targets beyond chance (doi:10.1177/001316446002000104), at most 1.

    nan where targets and predictions are all one class: then chance agrees always.
    """
    counts = confusion_matrix(probabilities, targets)
    chance = float(counts.sum(axis=0) @ counts.sum(axis=1)) / float(counts.sum()) ** 2
    return (float(np.trace(counts) / counts.sum()) - chance) / (1.0 - chance) if chance < 1.0 else float("nan")


def macro_auroc(probabilities: Probabilities, targets: Targets) -> float:
    """Mean over classes of the area under the ROC curve of the class against the rest, ties counted half.

    By the rank sum of Mann and Whitney. Only classes with targets and without count; nan where there is none.
    """
    first, last, positive = _tied_ranks(probabilities, targets)
    positives = positive.sum(axis=1)
    negatives = positive.shape[1] - positives
    counted = (positives > 0) & (negatives > 0)
    ranks_from_below = positive.shape[1] - (first + last) / 2.0
    above = (ranks_from_below * positive).sum(axis=1) - positives * (positives + 1) / 2.0
    areas = above[counted] / (positives * negatives)[counted]
    return float(areas.mean()) if counted.any() else float("nan")


def macro_auprc(probabilities: Probabilities, targets: Targets) -> float:
    """Mean over the classes that occur of the average precision of the class against the rest.

    Precision at each positive without interpolation, tied samples taken together (doi:10.1145/1143844.1143874).
    """
    _, last, positive = _tied_ranks(probabilities, targets)
    positives = positive.sum(axis=1)
    precision = np.take_along_axis(positive.cumsum(axis=1), last, axis=1) / (last + 1)
    present = positives > 0
    return float(((precision * positive).sum(axis=1)[present] / positives[present]).mean())


def _tied_ranks(probabilities: Probabilities, targets: Targets) -> tuple[NDArray[np.int64], ...]:
    """For each class its samples by descending probability, `[C, N]` each: the first and the last place of the samples
    tied with it, and whether it is the target (0 or 1)."""
    _check(probabilities, targets)
    scores = np.ascontiguousarray(probabilities.T)
    order = np.argsort(-scores, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    places, size = np.arange(scores.shape[1]), scores.shape[1]
    changes = np.diff(scores, axis=1) != 0.0
    edge = np.ones((len(scores), 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), places, 0), axis=1)
    last = np.minimum.accumulate(np.where(np.hstack([changes, edge]), places, size)[:, ::-1], axis=1)[:, ::-1]
    positive = (np.asarray(targets)[order] == np.arange(len(scores))[:, None]).astype(np.int64)
    return first, last, positive


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
    correct, confidence, bin_of = _binned(probabilities, targets, bins)
    surplus = np.bincount(bin_of, weights=confidence - correct, minlength=bins)
    return float(np.abs(surplus).sum() / len(correct))


def reliability(probabilities: Probabilities, targets: Targets, bins: int = 15) -> dict[str, list[float]]:
    """`count`, mean `confidence` and `accuracy` of each bin of `expected_calibration_error` that holds a sample."""
    correct, confidence, bin_of = _binned(probabilities, targets, bins)
    count = np.bincount(bin_of, minlength=bins)
    held = count > 0
    sums = {"confidence": confidence, "accuracy": correct.astype(np.float64)}
    means = {name: np.bincount(bin_of, values, bins)[held] / count[held] for name, values in sums.items()}
    return {"count": count[held].tolist(), **{name: mean.tolist() for name, mean in means.items()}}


def _binned(
    probabilities: Probabilities, targets: Targets, bins: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """Of every sample: whether its top class is right, that class's probability, and the bin which that falls into."""
    correct = correctness(probabilities, targets)
    confidence = probabilities.max(axis=1).astype(np.float64)
    return correct, confidence, np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _check(probabilities: Probabilities, targets: Targets) -> None:
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1] or len(targets) == 0:
        shapes = f"{probabilities.shape} and {targets.shape}"
        raise ValueError(f"expected probabilities [N, C] and targets [N], got {shapes}")


def affect_scores(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> dict[str, dict[str, float]]:
    """`valence` and `arousal`, each with rmse, corr, sagr and ccc, of predictions and targets `[N, 2]`.

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
    """Root of the mean squared error of `[N]`."""
    return float(np.sqrt(((predictions - targets) ** 2).mean()))


def pearson(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Pearson's correlation of `[N]`; nan where either is constant."""
    own, truth = predictions - predictions.mean(), targets - targets.mean()
    spread = float(np.sqrt((own**2).sum() * (truth**2).sum()))
    return float((own * truth).sum()) / spread if spread > 0 else float("nan")


def sign_agreement(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Share of `[N]` with the same sign (SAGR, arXiv:1708.03985); zero is a sign of its own."""
    return float((np.sign(predictions) == np.sign(targets)).mean())


def concordance(predictions: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Lin's concordance correlation coefficient of `[N]`, with population variances (doi:10.2307/2532051); 0 for
    constant predictions, 1 where both are one and the same constant."""
    own, truth = predictions.mean(), targets.mean()
    covariance = ((predictions - own) * (targets - truth)).mean()
    room = predictions.var() + targets.var() + (own - truth) ** 2
    return float(2.0 * covariance / room) if room > 0 else 1.0

"""Scores of class probabilities against targets: NumPy only, one function a score.

A function takes `probabilities [N, C]` (rows on the simplex) and `targets [N]` (int64 class indices), and raises
ValueError where their shapes do not fit. The predicted class is the first of the largest probabilities.

A new score is one function under `@metric(...)`: results.json, leaderboard.csv, the tables and the page have it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation.reliability import BINS, calibration_error, class_calibration_errors
from benchmarks.evaluation.selective import comparable, risk_values
from benchmarks.results.schema import MetricColumn

Probabilities = NDArray[np.floating]
Targets = NDArray[np.integer]
Score = Callable[[Probabilities, Targets], float]
Function = TypeVar("Function", bound=Score)
Report = Literal["ranking", "latex", "validation"]  # that have columns for some metrics alone


@dataclass(frozen=True)
class Metric:
    """A registered score and how reports show it; see `metric`."""

    score: Score
    column: MetricColumn


METRICS: dict[str, Metric] = {}
"""Every metric beside accuracy by its name, in the order of its columns."""


def metric(
    name: str,
    title: str,
    about: str,
    *,
    better: Literal["higher", "lower"] = "higher",
    percent: bool = False,
    digits: int | None = None,
    shown: tuple[Report, ...] = (),
) -> Callable[[Function], Function]:
    """Register a score; nan where it is not defined for the targets.

    `name` is its column in leaderboard.csv and its key in results.json, `title` heads its other columns, and `about`
    says in a few words what it is. It is printed with so many `digits` (default: 2 of a `percent`, else 3). Every
    metric stands in leaderboard.csv, in the table of all metrics and on the page; `shown` adds it to the ranking, to
    the table in LaTeX, and to the figure of validation metrics, for which it is also computed on val.
    Raises ValueError where the name is taken.
    """
    places = digits if digits is not None else 2 if percent else 3
    column = MetricColumn(
        name=name, title=title, about=about, better=better, percent=percent, digits=places, shown=list(shown)
    )

    def register(score: Function) -> Function:
        if name in METRICS:
            raise ValueError(f"two metrics are called {name!r}")
        METRICS[name] = Metric(score, column)
        return score

    return register


def columns() -> list[MetricColumn]:
    """Return how reports show the metrics, in their order: `metrics` of the results."""
    return [metric.column for metric in METRICS.values()]


def scores(probabilities: Probabilities, targets: Targets, report: Report | None = None) -> dict[str, float | None]:
    """Return every metric by its name, or those that `report` shows; None where one is not defined."""
    wanted = {name: known for name, known in METRICS.items() if report is None or report in known.column["shown"]}
    values = {name: known.score(probabilities, targets) for name, known in wanted.items()}
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def correctness(probabilities: Probabilities, targets: Targets) -> NDArray[np.bool_]:
    """Return which samples the top class gets right, `[N]` bool, for the bootstrap and the paired tests."""
    _check(probabilities, targets)
    correct: NDArray[np.bool_] = probabilities.argmax(axis=1) == targets
    return correct


def accuracy(probabilities: Probabilities, targets: Targets) -> float:
    """Return the share of samples whose top class is the target."""
    return float(correctness(probabilities, targets).mean())


def confusion_matrix(probabilities: Probabilities, targets: Targets) -> NDArray[np.int64]:
    """Return counts `[C, C]`: rows are targets, columns are predicted classes."""
    _check(probabilities, targets)
    classes = probabilities.shape[1]
    cells = np.asarray(targets, dtype=np.int64) * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def class_f1(probabilities: Probabilities, targets: Targets) -> list[float | None]:
    """Return the F1 of every class; None for a class that occurs neither as a target nor as a prediction."""
    counts = confusion_matrix(probabilities, targets)
    occurrences = (counts.sum(axis=0) + counts.sum(axis=1)).tolist()
    right = np.diag(counts).tolist()
    return [2.0 * hits / seen if seen else None for hits, seen in zip(right, occurrences, strict=True)]


@metric("macro_f1", "Macro-F1", "mean F1 of the classes", percent=True, shown=("ranking", "latex", "validation"))
def macro_f1(probabilities: Probabilities, targets: Targets) -> float:
    """Return the mean F1 over the classes that occur as a target or as a prediction."""
    return float(np.mean([score for score in class_f1(probabilities, targets) if score is not None]))


@metric("balanced_accuracy", "Balanced accuracy", "mean recall of the classes", percent=True)
def balanced_accuracy(probabilities: Probabilities, targets: Targets) -> float:
    """Return the mean recall over the classes that occur as a target."""
    counts = confusion_matrix(probabilities, targets)
    support = counts.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(counts)[present] / support[present]))


@metric("kappa", "Cohen's κ", "agreement beyond chance")
def cohen_kappa(probabilities: Probabilities, targets: Targets) -> float:
    """Return the agreement of predicted classes and targets beyond chance (doi:10.1177/001316446002000104).

    At most 1; nan where targets and predictions are all one class: then chance agrees always.
    """
    counts = confusion_matrix(probabilities, targets)
    chance = float(counts.sum(axis=0) @ counts.sum(axis=1)) / float(counts.sum()) ** 2
    return (float(np.trace(counts) / counts.sum()) - chance) / (1.0 - chance) if chance < 1.0 else float("nan")


@metric("auroc", "AUROC", "mean over classes, each against the rest")
def macro_auroc(probabilities: Probabilities, targets: Targets) -> float:
    """Return the mean over classes of the area under the ROC curve of the class against the rest.

    Ties count half.

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


@metric("auprc", "AUPRC", "mean over classes, each against the rest")
def macro_auprc(probabilities: Probabilities, targets: Targets) -> float:
    """Return the mean over the classes that occur of the average precision of the class against the rest.

    Precision at each positive without interpolation, tied samples taken together (doi:10.1145/1143844.1143874).
    """
    _, last, positive = _tied_ranks(probabilities, targets)
    positives = positive.sum(axis=1)
    precision = np.take_along_axis(positive.cumsum(axis=1), last, axis=1) / (last + 1)
    present = positives > 0
    return float(((precision * positive).sum(axis=1)[present] / positives[present]).mean())


def _tied_ranks(probabilities: Probabilities, targets: Targets) -> tuple[NDArray[np.int64], ...]:
    """Rank each class's samples by descending probability: three arrays `[C, N]`.

    The first and the last place of the samples tied with it, and whether it is the target (0 or 1).
    """
    _check(probabilities, targets)
    scores = comparable(np.ascontiguousarray(probabilities.T))
    order = np.argsort(-scores, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    places, size = np.arange(scores.shape[1]), scores.shape[1]
    changes = np.diff(scores, axis=1) != 0.0
    edge = np.ones((len(scores), 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), places, 0), axis=1)
    last = np.minimum.accumulate(np.where(np.hstack([changes, edge]), places, size)[:, ::-1], axis=1)[:, ::-1]
    positive = (np.asarray(targets)[order] == np.arange(len(scores))[:, None]).astype(np.int64)
    return first, last, positive


@metric("log_loss", "Log-loss", "in nats", better="lower", shown=("validation",))
def log_loss(probabilities: Probabilities, targets: Targets) -> float:
    """Return the mean negative log probability of the target, in nats.

    A zero counts as the smallest step above it of its type.
    """
    _check(probabilities, targets)
    return float(log_losses(probabilities, targets).mean())


def log_losses(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    """Return each sample's `log_loss` `[N]`."""
    floor = np.finfo(probabilities.dtype).eps
    of_target = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    losses: NDArray[np.float64] = -np.log(np.clip(of_target, floor, 1.0))
    return losses


@metric("brier", "Brier", "squared distance from the target, 0 to 2", better="lower")
def brier_score(probabilities: Probabilities, targets: Targets) -> float:
    """Return the mean squared distance of the probabilities from the one-hot target, summed over classes: 0 to 2."""
    _check(probabilities, targets)
    return float(brier_scores(probabilities, targets).mean())


def brier_scores(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    """Return each sample's `brier_score` `[N]`."""
    distance = probabilities.astype(np.float64)
    distance[np.arange(len(targets)), targets] -= 1.0
    scores: NDArray[np.float64] = (distance**2).sum(axis=1)
    return scores


@metric("ece", "ECE", "expected calibration error in 15 bins", better="lower", shown=("ranking", "latex", "validation"))
def expected_calibration_error(probabilities: Probabilities, targets: Targets, bins: int = BINS) -> float:
    """Return the gap between confidence and accuracy, averaged over bins by their share (arXiv:1706.04599).

    The confidence is the top probability; a bin holds its upper edge, as in the paper.
    """
    _check(probabilities, targets)
    return calibration_error(probabilities, targets, bins)


@metric("classwise_ece", "Classwise ECE", "calibration error of each class, mean", better="lower", digits=4)
def classwise_calibration_error(probabilities: Probabilities, targets: Targets, bins: int = BINS) -> float:
    """Return the mean over classes of the gap between a class's probability and its frequency (arXiv:1910.12656)."""
    _check(probabilities, targets)
    return float(np.mean(class_calibration_errors(probabilities, targets, bins)))


@metric("aurc", "AURC", "area under the risk-coverage curve", better="lower", digits=4)
def area_under_risk_coverage(probabilities: Probabilities, targets: Targets) -> float:
    """Return the share of errors among the surest images, averaged over how many of them are taken (arXiv:1805.08206).

    It is low where a model is seldom wrong and knows when it is.
    """
    _check(probabilities, targets)
    return float(risk_values(probabilities, targets).mean())


def _check(probabilities: Probabilities, targets: Targets) -> None:
    if probabilities.ndim != 2 or targets.shape != probabilities.shape[:1] or len(targets) == 0:
        shapes = f"{probabilities.shape} and {targets.shape}"
        raise ValueError(f"expected probabilities [N, C] and targets [N], got {shapes}")

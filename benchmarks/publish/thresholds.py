"""How sure a model is: temperature, thresholds of abstention and conformal sets, all from predictions on val.

Functions of logits and targets alone. Nothing here can see test, but `measured`, which only counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from benchmarks.evaluation.conformal import conformal_quantile, prediction_sets
from benchmarks.evaluation.selective import threshold
from ensembles import softmax
from ensembles.base import Ensembler
from ensembles.calibration import temperature
from ensembles.splits import stratified_splits

SMALLEST = 1e-12  # of a probability, before its logarithm is taken
ASKED = (0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)  # shares of answers that are to be right
COVERAGE = 0.9  # of the conformal sets


@dataclass(frozen=True)
class Calibration:
    """What val says of a model's probabilities.

    `temperature` divides log-probabilities. `thresholds` are by share of answers asked to be right ("0.80"): the top
    probability from which on answers were. `quantile` of 1 - probability of the right class holds for `coverage` of
    the images.
    """

    temperature: float
    thresholds: dict[str, float]
    coverage: float
    quantile: float

    def scaled(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities [N, classes] of those as the model gives them."""
        return softmax(np.log(np.maximum(probabilities, SMALLEST)) / self.temperature)

    def plausible(self, calibrated: np.ndarray) -> np.ndarray:
        """Return which classes are in the conformal sets, bool [N, classes]; the top class always is."""
        return prediction_sets(calibrated, self.quantile)


class Answers(TypedDict):
    """What asking for a share of right answers gave on other images: how many answers, how many of them right."""

    asked: float
    answered: float
    right: float | None
    answered_by_class: list[float | None]


class Sets(TypedDict):
    """What conformal sets gave on other images: how many hold the right class, and how many classes they have."""

    coverage: float
    covered: float
    size: float


def cross_fitted(ensembler: Ensembler, logits: np.ndarray, targets: np.ndarray, folds: int = 5) -> np.ndarray:
    """Return probabilities float64 [N, classes] of an ensembler fitted without the fold of the image.

    `logits` are float [members, N, classes], `targets` int64 [N]. A fitted ensembler is too sure of the images that it
    was fitted on. Raises ValueError where there are fewer images than folds.
    """
    probabilities = np.empty(logits.shape[1:])
    for fit, held_out in stratified_splits(targets, folds, 1, 0):
        fresh = type(ensembler)(**ensembler.get_params())
        probabilities[held_out] = fresh.fit(logits[:, fit], targets[fit]).predict_proba(logits[:, held_out])
    return probabilities


def calibrate(probabilities: np.ndarray, targets: np.ndarray) -> Calibration:
    """Calibrate by probabilities [N, classes] of images that the model was not fitted on, and their targets [N].

    Temperature scaling: arXiv:1706.04599. Split conformal sets, by the probability of the class: arXiv:2107.07511.
    """
    cooling = temperature(np.log(np.maximum(probabilities, SMALLEST)), targets)
    calibrated = Calibration(cooling, {}, COVERAGE, 1.0).scaled(probabilities)
    thresholds = {f"{asked:.2f}": threshold(calibrated, targets, asked) for asked in ASKED}
    known = {asked: round(value, 6) for asked, value in thresholds.items() if value is not None}
    return Calibration(cooling, known, COVERAGE, round(conformal_quantile(calibrated, targets, COVERAGE), 6))


def answers(calibrated: np.ndarray, targets: np.ndarray, calibration: Calibration) -> list[Answers]:
    """Count what the thresholds do on other images: calibrated probabilities [N, classes] and targets [N]."""
    sure, right = calibrated.max(axis=1), calibrated.argmax(axis=1) == targets
    counted = []
    for asked, least in calibration.thresholds.items():
        answered = sure >= least
        by_class = [answered[targets == label] for label in range(calibrated.shape[1])]
        counted.append(
            Answers(
                asked=float(asked),
                answered=float(answered.mean()),
                right=float(right[answered].mean()) if answered.any() else None,
                answered_by_class=[float(part.mean()) if part.size else None for part in by_class],
            )
        )
    return counted


def sets(calibrated: np.ndarray, targets: np.ndarray, calibration: Calibration) -> Sets:
    """Count what the conformal sets do on other images: calibrated probabilities [N, classes] and targets [N]."""
    plausible = calibration.plausible(calibrated)
    covered = plausible[np.arange(len(targets)), targets]
    return Sets(coverage=calibration.coverage, covered=float(covered.mean()), size=float(plausible.sum(axis=1).mean()))


def shown(calibrated: Sequence[Answers], asked: Sequence[float] = (0.8, 0.85, 0.9)) -> list[Answers]:
    """Return the rows that a table has room for."""
    return [row for row in calibrated if row["asked"] in asked]

"""Probabilities of a row, recalibrated on val: by one temperature, and by a scale and a bias for each class.

What is fitted is fitted on images that the row was not fitted on: `ScoredModel.unseen`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.reliability import class_calibration_errors
from benchmarks.results.probabilities import CrossFitted, Recalibrated
from ensembles import softmax
from ensembles.calibration import temperature
from ensembles.vector_scaling import fit_vector_scaling

SMALLEST = 1e-12  # of a probability, before its logarithm
NONE, TEMPERATURE, VECTOR = "none", "temperature", "vector"


def logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Return log-probabilities; an impossible class counts as just possible."""
    return np.log(np.maximum(probabilities, SMALLEST))


def fitted_temperature(row: ScoredModel, targets: np.ndarray) -> float:
    """Return the temperature of a row, by its log-loss on val."""
    unseen = row.unseen
    return temperature(logarithms(unseen.reshape(-1, unseen.shape[2])), np.tile(targets, len(unseen)))


def fitted_temperatures(rows: Sequence[ScoredModel], targets: np.ndarray) -> list[float]:
    """Return the temperature of every row. An ensembler that was fitted on val is too sure of itself there: its own is
    fitted on what it says of images held out of the fit."""
    return [fitted_temperature(row, targets) for row in rows]


def scaled(probabilities: np.ndarray, by: float) -> np.ndarray:
    """Return probabilities `[..., C]` at a temperature."""
    return softmax(logarithms(probabilities) / by)


def recalibrated(row: ScoredModel, targets: np.ndarray, by: float) -> dict[str, np.ndarray]:
    """Return the row's test probabilities as they are, at the temperature `by`, and after vector scaling.

    `targets` are those of val.
    """
    unseen = logarithms(row.unseen)
    vector = fit_vector_scaling(unseen.reshape(-1, unseen.shape[2]), np.tile(targets, len(unseen)), by)
    return {NONE: row.test, TEMPERATURE: scaled(row.test, by), VECTOR: vector.apply(logarithms(row.test))}


def recalibration_scores(
    kinds: Mapping[str, np.ndarray], targets: np.ndarray, gain: float, interval: np.ndarray
) -> Recalibrated:
    """Score each kind of `recalibrated` on test; `gain` and its `interval` are of the vector over the temperature."""
    errors = {kind: class_calibration_errors(probabilities, targets) for kind, probabilities in kinds.items()}
    return {
        "ece": {kind: metrics.expected_calibration_error(part, targets) for kind, part in kinds.items()},
        "classwise_ece": {kind: float(np.mean(by_class)) for kind, by_class in errors.items()},
        "log_loss": {kind: metrics.log_loss(part, targets) for kind, part in kinds.items()},
        "class_errors": errors,
        "gain": gain,
        "gain_interval": interval.tolist(),
    }


def cross_fitted_scores(row: ScoredModel, targets: np.ndarray) -> CrossFitted:
    """Score a row on val, an ensemble on images held out of the fit: means over the repeats of cross-fitting."""
    return {
        "log_loss": float(np.mean([metrics.log_loss(repeat, targets) for repeat in row.unseen])),
        "ece": float(np.mean([metrics.expected_calibration_error(repeat, targets) for repeat in row.unseen])),
    }

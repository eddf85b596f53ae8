"""Vector scaling against what made the data, a general optimiser, and temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from ensembles import softmax
from ensembles.arrays import log_softmax
from ensembles.calibration import temperature
from ensembles.vector_scaling import fit_vector_scaling


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities [count, 3] that are wrong by a scale and a bias for each class, and targets."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, 1.5, (count, 3))
    targets = (random.random(count)[:, None] > softmax(truth).cumsum(axis=1)).sum(axis=1)
    return log_softmax(truth * np.array([2.0, 1.0, 0.5]) + np.array([1.0, 0.0, -1.0])), targets


def loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(targets)), targets]).mean())


def test_it_beats_a_temperature_on_other_images_where_classes_differ():
    (given, targets), (other, unseen) = drawn(4_000), drawn(4_000, 1)
    by = temperature(given, targets)
    scaled = fit_vector_scaling(given, targets, by).apply(other)
    assert scaled.sum(axis=1) == pytest.approx(1)
    assert loss(scaled, unseen) < loss(softmax(other / by), unseen) - 0.02


def test_it_is_the_minimum_that_a_general_optimiser_finds():
    given, targets = drawn(400)
    by = temperature(given, targets)

    def objective(parameters: np.ndarray) -> float:
        apart = parameters - np.concatenate([np.full(3, 1 / by), np.zeros(3)])
        return loss(softmax(parameters[:3] * given + parameters[3:]), targets) + (apart @ apart) / 800

    found = fit_vector_scaling(given, targets, by)
    best = minimize(objective, np.ones(6), tol=1e-10)
    assert objective(np.concatenate([found.scales, found.biases])) <= best.fun + 1e-8


def test_a_class_without_targets_and_certain_predictions_keep_numbers_finite():
    sure = np.log(np.maximum(np.eye(4)[[0, 1, 2] * 20], 1e-12))
    found = fit_vector_scaling(sure, np.array([0, 1, 2] * 20), 1.0)
    assert np.isfinite(found.scales).all() and np.isfinite(found.biases).all()
    assert (found.apply(sure).argmax(axis=1) == [0, 1, 2] * 20).all()

"""The scale of the members is that of its definition, computed array by array without regard to time."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles import calibration
from ensembles.arrays import log_softmax
from ensembles.calibration import fit_temperatures
from ensembles.common_scale import FARTHEST, LEAST_LOG_PROBABILITY, USUAL, CommonScale, _usual_distance


def make(samples: int, seed: int = 0, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Members of unlike skill and loudness; one calls a class impossible now and then, one always says the same."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 5, samples)
    shared = 2.0 * np.eye(5)[targets] + rng.normal(size=(samples, 5))
    logits = np.array([1.0, 0.2, 30.0, 1.0, 0.0])[:, None, None] * (shared + rng.normal(size=(5, samples, 5)))
    logits[3, ::97, 2] = -30_000.0
    return logits.astype(dtype), targets


def temperatures_plainly(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Newton's steps in float64 alone, on all samples from the start."""
    scores = np.ascontiguousarray(logits.astype(np.float64).transpose(0, 2, 1))
    scores -= scores.max(axis=1, keepdims=True)
    found = calibration._inverse_temperatures(scores, targets, np.ones(len(logits)), 1e-12, 1e-12)
    return 1.0 / found


@pytest.mark.parametrize("samples", [150, 5_000])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_neither_few_samples_nor_float32_at_the_start_decide_a_temperature(samples: int, scale: float):
    logits, targets = make(samples)
    logits = scale * logits.astype(np.float64)
    np.testing.assert_allclose(fit_temperatures(logits, targets), temperatures_plainly(logits, targets), rtol=1e-9)


def test_values_that_float32_cannot_hold_are_fine():
    logits, targets = make(5_000, dtype=np.float64)
    logits[3, ::97, 2] = -3e38
    logits[2, 0] = [3e38, -3e38, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(fit_temperatures(logits, targets), temperatures_plainly(logits, targets), rtol=1e-9)


def test_members_that_are_never_wrong_have_the_lowest_temperature():
    targets = np.arange(3_000) % 3
    sure = 5.0 * np.eye(3)[targets][None] + np.zeros((2, 3_000, 3))
    np.testing.assert_allclose(fit_temperatures(sure, targets), calibration.LOWEST)


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6, 1_001])
def test_the_usual_distance_is_a_quantile(size: int):
    rng = np.random.default_rng(size)
    apart = rng.exponential(size=size)
    below = np.concatenate([np.zeros(3), apart])
    assert _usual_distance(below, np.full(len(below), 1e-9)) == pytest.approx(np.quantile(apart, USUAL), rel=1e-14)
    assert _usual_distance(np.zeros(3), np.full(3, 1e-9)) == 1.0


@pytest.mark.parametrize("samples", [150, 5_000])
def test_log_probabilities_are_those_of_the_definition(samples: int):
    logits, targets = make(samples)
    found = CommonScale.fit(logits, targets)
    below = logits.max(axis=2, keepdims=True).astype(float) - logits
    for member, distance in enumerate(below):
        usual = np.quantile(distance[distance > 1e-6], USUAL) if member < 4 else 1.0
        near = np.minimum(distance / usual, FARTHEST)
        its_own = fit_temperatures(-near[None], targets)[0]
        reach = min(FARTHEST, -LEAST_LOG_PROBABILITY * its_own)
        if (near > reach).any():
            its_own = fit_temperatures(-np.minimum(near, reach)[None], targets)[0]
        assert found.temperatures[member] == pytest.approx(usual * its_own, rel=1e-9)
        assert found.reach[member] == pytest.approx(usual * reach, rel=1e-9)
    expected = log_softmax(-np.minimum(below, found.reach[:, None, None]) / found.temperatures[:, None, None])
    np.testing.assert_allclose(found.log_probabilities(logits), expected, rtol=1e-13, atol=1e-13)

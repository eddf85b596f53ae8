"""The weighted mean of probabilities is that of the formula, however the samples are cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles import arrays
from ensembles.arrays import pool, softmax, top_class
from ensembles.streaming import StackedMembers


def make(members: int, samples: int, classes: int, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Logits `[members, samples, classes]`, and weights `[members, samples]` of which some are zero."""
    rng = np.random.default_rng(0)
    weights = rng.random((members, samples)) * (rng.random((members, samples)) < 0.6)
    return (4.0 * rng.normal(size=(members, samples, classes))).astype(dtype), weights


def plainly(logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (weights.reshape(len(logits), -1, 1) * softmax(logits)).sum(axis=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 7, 16, 17])
def test_a_pool_is_the_weighted_sum_of_softmax(classes: int, dtype: type, monkeypatch: pytest.MonkeyPatch):
    logits, weights = make(4, 53, classes, dtype)
    for of_all in (weights, weights[:, 0]):
        expected = plainly(logits, of_all)
        np.testing.assert_allclose(pool(logits, of_all), expected, rtol=1e-14, atol=1e-300)
        with monkeypatch.context() as patch:
            patch.setattr(arrays, "POOLED_AT_ONCE", 10 * classes)
            np.testing.assert_allclose(pool(logits, of_all), expected, rtol=1e-14, atol=1e-300)


def test_any_finite_logits_are_safe():
    logits = np.array([[[3e38, -3e38, 0.0], [-30_000.0, -30_000.0, 5.0]]], dtype=np.float32)
    np.testing.assert_array_equal(pool(logits, np.ones(1)), [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def test_classes_that_tie_by_symmetry_tie_in_the_pool():
    logits, _ = make(6, 400, 5)
    swapped = logits[:, :, [1, 0, 2, 3, 4]]
    logits[:, :, 2:] -= 30.0
    swapped[:, :, 2:] -= 30.0
    pooled = pool(np.concatenate([logits, swapped]), np.full(12, 1 / 12))
    np.testing.assert_allclose(pooled[:, 0], pooled[:, 1], rtol=1e-14)
    assert (top_class(pooled) == 0).all()


def test_members_without_weight_are_not_read():
    logits, weights = make(3, 20, 4)
    weights[1] = 0.0

    class Absent(StackedMembers):
        def __getitem__(self, key: object) -> np.ndarray:
            assert isinstance(key, tuple) and key[0] != 1
            return super().__getitem__(key)

    stacked = Absent(list(logits))
    np.testing.assert_array_equal(pool(stacked, weights), pool(logits, weights))
    np.testing.assert_array_equal(pool(stacked, weights[:, 0]), pool(logits, weights[:, 0]))

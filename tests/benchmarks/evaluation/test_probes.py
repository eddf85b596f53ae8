"""Probes of features: they learn from train alone, and tell classes apart where the features do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.evaluation.probes import linear_probe, nearest_neighbours

PROBES = (linear_probe, nearest_neighbours)


def features(seed: int, count: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Features [N,6] around one point a class, and the classes."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, count)
    return (np.eye(3)[targets].repeat(2, axis=1) + spread * random.normal(size=(count, 6))).astype(np.float32), targets


@pytest.mark.parametrize("probe", PROBES)
def test_classes_that_lie_apart_are_told_apart(probe: Callable[..., np.ndarray]):
    (train, targets), (val, wanted) = features(0, 300, 0.2), features(1, 100, 0.2)
    assert (probe(train, targets, val) == wanted).mean() > 0.95


@pytest.mark.parametrize("probe", PROBES)
def test_of_noise_nothing_is_known(probe: Callable[..., np.ndarray]):
    (train, targets), (val, wanted) = features(0, 300, 50.0), features(1, 300, 50.0)
    assert (probe(train, targets, val) == wanted).mean() < 0.5


@pytest.mark.parametrize("probe", PROBES)
def test_the_scale_of_features_does_not_matter(probe: Callable[..., np.ndarray]):
    (train, targets), (val, _) = features(0, 200, 0.5), features(1, 100, 0.5)
    assert (probe(1000 * train, targets, 1000 * val) == probe(train, targets, val)).mean() > 0.98


def test_the_nearest_of_few_images_are_as_many_as_there_are():
    train, targets = features(0, 7, 0.1)
    assert (nearest_neighbours(train, targets, train) == targets).all()

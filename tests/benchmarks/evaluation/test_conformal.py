"""Conformal sets hold what they promise on images that did not calibrate them."""

from __future__ import annotations

import numpy as np

from benchmarks.evaluation.conformal import class_quantiles, conformal_quantile, prediction_sets
from tests.benchmarks.evaluation.test_selective import drawn


def test_coverage_is_what_was_asked_for_in_the_mean_of_many_calibrations():
    shares = []
    for seed in range(300):
        probabilities, targets = drawn(250, seed)
        quantile = conformal_quantile(probabilities[:100], targets[:100], 0.9)
        held = prediction_sets(probabilities[100:], quantile)
        shares.append(held[np.arange(150), targets[100:]].mean())
    # Exchangeability alone promises 0.9 to 0.9 + 1/101, in the mean over calibrations.
    assert 0.895 <= np.mean(shares) <= 0.92


def test_a_quantile_a_class_covers_every_class():
    """A model that finds one class likely too seldom misses it by one quantile for all, and not by its own."""
    probabilities, targets = drawn(40_000, 0)
    probabilities = probabilities * np.array([0.2, 1, 1, 1])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    half, others = slice(20_000), slice(20_000, None)
    by_class = {}
    for quantiles in (conformal_quantile, class_quantiles):
        held = prediction_sets(probabilities[others], quantiles(probabilities[half], targets[half], 0.9))
        of = targets[others]
        by_class[quantiles] = [held[of == label, label].mean() for label in range(4)]
    assert min(by_class[conformal_quantile]) < 0.75
    assert min(by_class[class_quantiles]) > 0.88


def test_a_class_with_too_few_images_is_never_left_out():
    probabilities, targets = drawn(200, 0)
    targets = np.where(targets == 3, 0, targets)
    quantiles = class_quantiles(probabilities, targets, 0.9)
    assert quantiles[3] == 1 and (quantiles[:3] < 1).all()
    assert prediction_sets(probabilities, quantiles)[:, 3].all()

"""Selective accuracy and the area under the risk-coverage curve, against counting and against an exact bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evaluation.metrics import macro_auprc, macro_auroc
from benchmarks.evaluation.selective import risk_curve, risk_values, threshold
from benchmarks.evaluation.significance import bootstrap_means, image_counts, quantile_intervals


def drawn(count: int, seed: int, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [count, 4] and targets that these probabilities draw."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, skill, (count, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, (random.random(count)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)


def area(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The area, image by image."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = (probabilities.argmax(axis=1) != targets)[order]
    return float(np.mean([wrong[: taken + 1].mean() for taken in range(len(wrong))]))


def test_the_values_average_to_the_area():
    probabilities, targets = drawn(300, 0)
    assert risk_values(probabilities, targets).mean() == pytest.approx(area(probabilities, targets), abs=1e-12)


def test_equally_sure_images_count_as_in_random_order():
    probabilities, targets = drawn(60, 1)
    coarse = np.round(probabilities, 1) + 1e-3 * (np.arange(4) == probabilities.argmax(axis=1)[:, None])
    random, areas = np.random.default_rng(0), []
    for _ in range(3_000):
        order = random.permutation(60)
        areas.append(area(coarse[order], targets[order]))
    assert risk_values(coarse, targets).mean() == pytest.approx(np.mean(areas), abs=4 * np.std(areas) / 3_000**0.5)
    order = random.permutation(60)
    np.testing.assert_allclose(risk_values(coarse, targets)[order], risk_values(coarse[order], targets[order]))


def test_resampled_values_are_the_resampled_area():
    """Intervals from the values against those of areas computed anew in every draw."""
    probabilities, targets = drawn(500, 2)
    draws = image_counts(np.random.default_rng(5), 600, 500).astype(int)
    exact = []
    for counts in draws:
        images = np.repeat(np.arange(500), counts)
        exact.append(area(probabilities[images], targets[images]))
    values = draws @ risk_values(probabilities, targets) / 500
    assert np.corrcoef(values, exact)[0, 1] > 0.99
    assert values.std() == pytest.approx(np.std(exact), rel=0.05)


def test_paired_intervals_of_the_area_cover_the_truth_as_often_as_they_say():
    """Of two models of one skill the difference is zero."""
    hits = 0
    for seed in range(200):
        first, targets = drawn(300, seed)
        noise = np.exp(np.random.default_rng(900 + seed).normal(0, 0.5, (2, *first.shape)))
        models = first * noise / (first * noise).sum(axis=2, keepdims=True)
        means = bootstrap_means([risk_values(model, targets) for model in models], draws=300)
        (low, high) = quantile_intervals(means[:, :1] - means[:, 1:])[0]
        hits += low <= 0 <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_the_curve_ends_at_the_error_rate_and_starts_with_the_surest():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert risk_curve(probabilities, np.array([0, 1, 1, 1]), points=4) == [0.0, 0.5, 1 / 3, 0.5]


def test_last_digits_of_an_exponential_order_no_images():
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(400, 5)) * 25  # many are wholly sure
    targets = rng.integers(5, size=400)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    elsewhere = probabilities * (1 + np.finfo(np.float64).eps * rng.integers(-2, 3, probabilities.shape))
    assert (probabilities != elsewhere).any()
    for score in (risk_values, macro_auroc, macro_auprc):
        np.testing.assert_array_equal(score(probabilities, targets), score(elsewhere, targets))
    assert risk_curve(probabilities, targets) == risk_curve(elsewhere, targets)


def test_a_threshold_never_parts_images_that_are_equally_sure():
    """It is a probability of these images: whoever compares with it answers as many as were counted."""
    sure = np.repeat([0.9, 0.8, 0.6, 0.6, 0.6, 0.5], 30)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    wrong = np.repeat([0, 0, 1, 0, 0, 1], 30)
    for order in (np.arange(180), np.arange(180)[::-1]):
        assert threshold(probabilities[order], wrong[order], 0.75) == 0.6
        assert threshold(probabilities[order], wrong[order], 0.85) == 0.8

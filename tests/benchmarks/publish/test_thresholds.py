"""Temperature, thresholds and conformal sets, against what they promise on images that were not used."""

from __future__ import annotations

import numpy as np
import pytest

import ensembles
from benchmarks.evaluation.conformal import conformal_quantile
from benchmarks.evaluation.selective import FEWEST, threshold
from benchmarks.publish.thresholds import Calibration, answers, calibrate, cross_fitted, sets
from ensembles import softmax


def drawn(count: int, heat: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [count, 5] and targets that are drawn by them, before the logits are divided by `heat`."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.6, (count, 5))
    targets = (random.random(count)[:, None] > softmax(logits).cumsum(axis=1)).sum(axis=1)
    return softmax(logits / heat), targets


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_calibration_undoes_a_temperature(heat: float):
    probabilities, targets = drawn(20_000, heat)
    calibration = calibrate(probabilities, targets)
    assert calibration.temperature == pytest.approx(1 / heat, rel=0.05)
    calibrated = calibration.scaled(probabilities)
    assert calibrated.sum(axis=1) == pytest.approx(1)
    assert calibrated.max(axis=1).mean() == pytest.approx((calibrated.argmax(axis=1) == targets).mean(), abs=0.01)


def test_what_is_asked_for_is_had_on_other_images():
    calibration, (other, targets) = calibrate(*drawn(20_000, 2.0)), drawn(20_000, 2.0, seed=1)
    counted = answers(calibration.scaled(other), targets, calibration)
    assert [row["asked"] for row in counted] == [0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    for row in counted[1:]:
        assert row["right"] == pytest.approx(row["asked"], abs=0.02)
    answered = [row["answered"] for row in counted]
    assert answered == sorted(answered, reverse=True) and answered[-1] > 0.02
    covered = sets(calibration.scaled(other), targets, calibration)
    assert covered["covered"] == pytest.approx(0.9, abs=0.01) and 1 < covered["size"] < 5


def test_a_threshold_leaves_as_many_answers_as_it_can():
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    assert threshold(probabilities, np.array([0, 0, 1, 0]), 0.7) == 0.6, "three of four are right: 0.75"
    assert threshold(probabilities, np.array([0, 1, 1, 0]), 0.6) is None


def test_a_threshold_is_not_of_a_lucky_few():
    probabilities, targets = drawn(2_000)
    lucky = np.argsort(-probabilities.max(axis=1))[: FEWEST - 10]
    targets = np.where(
        np.isin(np.arange(2_000), lucky), probabilities.argmax(axis=1), (probabilities.argmax(axis=1) + 1) % 5
    )
    assert threshold(probabilities, targets, 0.95) is None


def test_no_more_is_promised_than_val_shows():
    calibration = calibrate(np.full((200, 2), 0.5), np.arange(200) % 2)
    assert calibration.thresholds == {}


def test_the_quantile_has_the_step_of_finite_samples():
    right = np.linspace(0.01, 0.99, 99)
    probabilities = np.stack([right, 1 - right], axis=1)
    assert conformal_quantile(probabilities, np.zeros(99, dtype=int), 0.9) == pytest.approx(0.90)
    assert conformal_quantile(probabilities[:5], np.zeros(5, dtype=int), 0.9) == 1, "too few: no class is left out"


def test_a_set_always_has_the_top_class():
    calibration = Calibration(1.0, {}, 0.9, 0.2)
    assert calibration.plausible(np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])).tolist() == [[1, 0, 0], [1, 0, 0]]


def test_cross_fitted_probabilities_are_of_images_left_out():
    """An ensembler that remembers its images gives itself away."""
    random = np.random.default_rng(0)
    logits, targets = random.normal(0, 1, (20, 60, 3)), random.integers(0, 3, 60)
    fitted = ensembles.create("stack_logistic", strengths=(1e-6,)).fit(logits, targets)
    assert (fitted.predict_proba(logits).argmax(axis=1) == targets).mean() > 0.9
    held_out = cross_fitted(fitted, logits, targets)
    assert (held_out.argmax(axis=1) == targets).mean() < 0.6
    assert held_out.sum(axis=1) == pytest.approx(1)


def test_an_answer_is_counted_by_class():
    calibrated = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]])
    (row,) = answers(calibrated, np.array([0, 0, 1, 1]), Calibration(1.0, {"0.80": 0.7}, 0.9, 0.5))
    assert row == {"asked": 0.8, "answered": 0.5, "right": 1.0, "answered_by_class": [0.5, 0.5]}

"""Valence and arousal: how predictions are combined, and how they are scored."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmarks.evaluation.affect_metrics import affect_scores, concordance, pearson, rmse, sign_agreement
from ensembles.affect.base import AffectMean, AffectStacking, AffectWeights, least_squares_weights, rated

KINDS = [AffectMean, AffectWeights, AffectStacking]


def make(members: int = 4, samples: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members of unlike noise, the third the best of valence and the fourth of arousal."""
    rng = np.random.default_rng(seed)
    targets = np.clip(0.4 * rng.normal(size=(samples, 2)), -1, 1)
    noise = np.tile([[0.5, 0.5]], (members, 1))
    noise[2, 0] = noise[3, 1] = 0.1
    return targets + noise[:, None, :] * rng.normal(size=(members, samples, 2)), targets


@pytest.mark.parametrize("kind", KINDS)
def test_combinations_stay_in_range_and_beat_a_typical_member(kind: type):
    fitted = kind().fit(*make())
    unseen, truth = make(seed=1)
    combined = fitted.predict(unseen)
    assert combined.shape == (200, 2) and np.abs(combined).max() <= 1
    assert rmse(combined, truth) < np.median([rmse(member, truth) for member in unseen])


@pytest.mark.parametrize("kind", KINDS)
def test_samples_without_a_rating_do_not_count(kind: type):
    predictions, targets = make()
    expected = kind().fit(predictions[:, 10:], targets[10:]).predict(predictions)
    targets[:5], targets[5:10, 1] = -2.0, np.nan
    np.testing.assert_allclose(kind().fit(predictions, targets).predict(predictions), expected, atol=1e-12)
    assert rated(targets).sum() == 190


def test_weights_are_on_the_simplex_and_find_the_better_member_of_each():
    weights = AffectWeights().fit(*make()).weights_
    assert weights is not None and weights.shape == (4, 2)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    assert weights.min() >= 0 and weights[:, 0].argmax() == 2 and weights[:, 1].argmax() == 3


@pytest.mark.parametrize("seed", range(4))
def test_least_squares_weights_equal_a_general_solver(seed: int):
    predictions, targets = (array[..., 0] for array in make(samples=60, seed=seed))

    def loss(weights: np.ndarray) -> float:
        return float(((weights @ predictions - targets) ** 2).mean())

    found = least_squares_weights(predictions, targets)
    constraint = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    other = minimize(loss, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints=[constraint], tol=1e-12)
    assert loss(found) <= loss(other.x) + 1e-9
    np.testing.assert_allclose(found, other.x, atol=1e-3)


def test_a_member_that_is_always_right_gets_all_of_the_weight():
    predictions, targets = make()
    predictions[1] = targets
    np.testing.assert_allclose(AffectWeights().fit(predictions, targets).weights_, np.eye(4)[[1, 1]].T, atol=1e-6)


def test_weights_for_concordance_concord_best():
    predictions, targets = make(seed=3)
    both = [AffectWeights(objective).fit(predictions, targets) for objective in ("squared_error", "ccc")]
    for column in range(2):
        squared, concordant = (
            concordance(one.weights_[:, column] @ predictions[:, :, column], targets[:, column]) for one in both
        )
        assert concordant >= squared - 1e-9
    with pytest.raises(ValueError, match="objective must be one of squared_error, ccc"):
        AffectWeights("mse").fit(predictions, targets)


def test_stacking_corrects_what_all_members_do_alike():
    predictions, targets = make()
    biased = 0.5 * predictions + 0.2
    fitted = AffectStacking().fit(biased, targets)
    mean = AffectMean().fit(biased, targets)
    assert rmse(fitted.predict(biased), targets) < 0.7 * rmse(mean.predict(biased), targets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, t: (p[:, :, :1], t), r"\[members, samples, 2\], got \[4, 200, 1\]"),
        (lambda p, t: (p, t[:-1]), r"shape \[200, 2\], got \[199, 2\]"),
        (lambda p, t: (p, t[:, 0]), r"\[samples, 2\], got \[200\]"),
        (lambda p, t: (np.where(p > 1, np.inf, p), t), "finite; the first that is not is at member"),
        (lambda p, t: (p, np.full_like(t, -2.0)), "no sample has a rating"),
        (lambda p, t: (p, t * 9), r"lie in \[-1, 1\] or be -2 or NaN; sample"),
    ],
)
def test_bad_input_is_named(change, message: str):
    with pytest.raises(ValueError, match=message):
        AffectMean().fit(*change(*make()))
    fitted = AffectMean().fit(*make())
    with pytest.raises(ValueError, match="fitted on 4 members, got predictions of 3"):
        fitted.predict(make()[0][:3])
    with pytest.raises(ValueError, match="affect_mean is not fitted"):
        AffectMean().predict(make()[0])


def test_scores_follow_their_formulas():
    predictions, targets = np.array([0.5, -0.2, 0.0, 0.3]), np.array([0.4, 0.1, 0.0, 0.5])
    assert rmse(predictions, targets) == pytest.approx(np.sqrt((0.01 + 0.09 + 0.04) / 4))
    assert pearson(predictions, targets) == pytest.approx(np.corrcoef(predictions, targets)[0, 1])
    assert sign_agreement(predictions, targets) == 0.75
    covariance = np.cov(predictions, targets, bias=True)
    expected = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (0.15 - 0.25) ** 2)
    assert concordance(predictions, targets) == pytest.approx(expected)
    assert concordance(targets, targets) == pytest.approx(1.0)


def test_scores_of_constants_are_guarded():
    constant, targets = np.full(5, 0.3), np.linspace(-1, 1, 5)
    assert np.isnan(pearson(constant, targets))
    assert concordance(constant, targets) == 0.0
    assert concordance(constant, constant) == 1.0


def test_affect_scores_leave_unrated_samples_out():
    predictions, targets = make()
    expected = affect_scores(predictions[0][3:], targets[3:])
    targets[:3] = -2.0
    assert affect_scores(predictions[0], targets) == expected
    assert set(expected) == {"valence", "arousal"} and set(expected["valence"]) == {"rmse", "corr", "sagr", "ccc"}
    with pytest.raises(ValueError, match="with a rating"):
        affect_scores(predictions[0], np.full_like(targets, np.nan))

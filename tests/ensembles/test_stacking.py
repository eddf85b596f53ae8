"""The logistic stacker against the same problem solved plainly: one fit at a time, in float64, without coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import ensembles
from ensembles import stacking
from ensembles.arrays import log_softmax, softmax
from ensembles.splits import stratified_splits
from ensembles.stacking import StackLogistic, _Ridge


def make(members: int, samples: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members that agree much more with each other than with the truth, as networks of one task do."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, samples)
    shared = 1.5 * np.eye(classes)[targets] + rng.normal(size=(samples, classes))
    return (shared + 0.3 * rng.normal(size=(members, samples, classes))).astype(np.float32), targets


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, offset and targets of a regression as the stacker has them."""
    logits, targets = make(5, 600, 4, seed)
    pool = log_softmax(logits.mean(axis=0))
    rows = logits.astype(float).transpose(1, 0, 2).reshape(600, -1) / np.sqrt(5)
    return np.hstack([rows, np.ones((600, 1))]), pool, targets


def plainly(features: np.ndarray, offset: np.ndarray, targets: np.ndarray, strength: float) -> np.ndarray:
    """Coefficients `[features, classes]` by Newton's method with all second derivatives."""
    (samples, inputs), classes = features.shape, offset.shape[1]
    coef = np.zeros((inputs, classes))
    for _ in range(40):
        likely = softmax(offset + features @ coef)
        slope = features.T @ (likely - np.eye(classes)[targets]) / samples + strength * coef
        curved = np.einsum("nc,cd->ncd", likely, np.eye(classes)) - likely[:, :, None] * likely[:, None]
        hessian = np.einsum("ni,ncd,nj->icjd", features, curved, features, optimize=True) / samples
        hessian = hessian.reshape(coef.size, coef.size) + strength * np.eye(coef.size)
        coef = coef - np.linalg.solve(hessian, slope.ravel()).reshape(coef.shape)
    assert np.abs(slope).max() < 1e-10
    return coef


@pytest.mark.parametrize("strength", [1.0, 0.01, 1e-4])
def test_a_fit_is_at_the_optimum(strength: float):
    features, offset, targets = problem()
    found = _Ridge(features, offset, targets).fit(strength, np.zeros((1, 4, 21)))
    expected = plainly(features, offset, targets, strength)
    np.testing.assert_allclose(softmax(offset + features @ found), softmax(offset + features @ expected), atol=1e-6)


def test_where_newtons_steps_do_not_help_l_bfgs_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stacking, "MOST_STEPS", 0)
    features, offset, targets = problem()
    found = _Ridge(features, offset, targets).fit(0.01, np.zeros((1, 4, 21)))
    expected = plainly(features, offset, targets, 0.01)
    np.testing.assert_allclose(softmax(offset + features @ found), softmax(offset + features @ expected), atol=1e-5)


def test_targets_that_a_line_separates_have_a_fit():
    targets = np.arange(300) % 3
    features = np.hstack([5.0 * np.eye(3)[targets], np.ones((300, 1))])
    offset = np.zeros((300, 3))
    found = _Ridge(features, offset, targets).fit(1e-9, np.zeros((1, 3, 4)))
    assert (softmax(offset + features @ found)[np.arange(300), targets] > 0.999).all()


def test_fits_to_folds_are_those_of_each_fold_alone():
    features, offset, targets = problem()
    splits = stratified_splits(targets, 3, 1, 0)
    shares = np.zeros((3, 600))
    for fold, (fit, _) in enumerate(splits):
        shares[fold, fit] = 1.0 / len(fit)
    ridge, coef = _Ridge(features, offset, targets), None
    for strength in (1.0, 0.03):
        coef, losses = ridge.compare(strength, shares, coef)
        for fold, (fit, _) in enumerate(splits):
            alone = plainly(features[fit], offset[fit], targets[fit], strength)
            expected = -log_softmax(offset + features @ alone)[np.arange(600), targets]
            np.testing.assert_allclose(losses[fold], expected, atol=5e-3)
            assert losses[fold][shares[fold] == 0].sum() == pytest.approx(expected[shares[fold] == 0].sum(), rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("samples", [90, 900])
def test_the_strength_is_that_of_a_plain_cross_validation(samples: int, seed: int):
    logits, targets = make(4, samples, 3, seed)
    fitted = StackLogistic().fit(logits, targets)
    scaled = fitted.on_common_scale(logits)
    offset = fitted.inverse_temperature_ * scaled.mean(axis=0)
    rows = (scaled / fitted.spreads_ / 2.0).transpose(1, 0, 2).reshape(samples, -1)
    features = np.hstack([rows, np.ones((samples, 1))])
    np.testing.assert_allclose(fitted._features(scaled), features, rtol=1e-14)
    losses = []
    for strength in fitted.strengths:
        losses.append(0.0)
        for fit, held_out in stratified_splits(targets, 3, 1, 0):
            coef = plainly(features[fit], offset[fit], targets[fit], strength)
            scores = log_softmax(offset[held_out] + features[held_out] @ coef)
            losses[-1] -= float(scores[np.arange(len(held_out)), targets[held_out]].sum())
    lowest = next(place for place in range(4) if place == 3 or losses[place + 1] >= losses[place])
    assert fitted.strength_ == fitted.strengths[lowest]
    expected = softmax(offset + features @ plainly(features, offset, targets, fitted.strength_))
    np.testing.assert_allclose(fitted.predict_proba(logits), expected, atol=1e-6)


def test_no_solver_finds_a_lower_loss():
    features, offset, targets = problem(1)

    def loss(flat: np.ndarray) -> float:
        coef = flat.reshape(21, 4)
        scores = log_softmax(offset + features @ coef)
        return float(-scores[np.arange(600), targets].mean() + 0.005 * (coef**2).sum())

    found = _Ridge(features, offset, targets).fit(0.01, np.zeros((1, 4, 21)))
    assert loss(found.ravel()) <= minimize(loss, found.ravel(), method="L-BFGS-B").fun + 1e-12


def test_copies_in_any_number_and_order_give_the_same_rows():
    logits, targets = make(3, 400, 4)
    once = ensembles.create("stack_logistic").fit(logits, targets).predict_proba(logits)
    many = logits[[2, 0, 1, 1, 0, 2]]
    np.testing.assert_allclose(StackLogistic().fit(many, targets).predict_proba(many), once, atol=1e-6)

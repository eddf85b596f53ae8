"""Weights of a product of experts: the optimum that a general optimiser finds, and members that add nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import ensembles
from ensembles.arrays import log_softmax, softmax
from ensembles.log_weighting import LogPoolWeighted, product_weights
from tests.ensembles.test_methods import make


def loss(weights: np.ndarray, columns: np.ndarray, targets: np.ndarray, ridge: float) -> float:
    product = log_softmax(np.tensordot(weights, columns, axes=1))
    return float(-product[np.arange(len(targets)), targets].mean() + ridge / 2 * weights @ weights)


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_the_minimum(seed: int):
    logits, targets = make(members=6, samples=200, seed=seed)
    columns = log_softmax(logits)
    found = product_weights(columns, targets, 1e-3)
    best = minimize(loss, np.full(6, 0.2), (columns, targets, 1e-3), bounds=[(0, None)] * 6, tol=1e-12)
    assert (found >= 0).all()
    assert loss(found, columns, targets, 1e-3) <= best.fun + 1e-8


def test_a_member_that_says_nothing_has_no_influence():
    logits, targets = make(members=3, samples=400)
    noise = np.random.default_rng(0).normal(0, 3, (1, *logits.shape[1:])).astype(np.float32)
    fitted = LogPoolWeighted().fit(np.concatenate([logits, noise, -logits[:1]]), targets)
    of_logits = fitted.exponents_ / fitted.temperatures_
    assert of_logits[3:].sum() < 0.02 * of_logits.sum()
    np.testing.assert_allclose(
        fitted.predict_proba(np.concatenate([logits, noise, -logits[:1]])),
        softmax(
            np.tensordot(fitted.exponents_, fitted.on_common_scale(np.concatenate([logits, noise, -logits[:1]])), 1)
        ),
    )


def test_it_beats_the_mean_of_members_that_err_alike():
    """Copies with noise of their own: an equal-weight product counts what they share once for each."""
    logits, targets = make(members=8, samples=2_000)
    half = slice(0, 1_000), slice(1_000, None)
    losses = {}
    for name in ("log_pool_weighted", "log_pool", "log_pool_calibrated"):
        fitted = ensembles.create(name).fit(logits[:, half[0]], targets[half[0]])
        said = fitted.predict_proba(logits[:, half[1]])
        losses[name] = -np.log(said[np.arange(1_000), targets[half[1]]]).mean()
    assert losses["log_pool_weighted"] < min(losses["log_pool"], losses["log_pool_calibrated"])


def test_a_ridge_that_is_none_is_refused():
    logits, targets = make()
    with pytest.raises(ValueError, match="ridge must be positive"):
        LogPoolWeighted(ridge=0.0).fit(logits, targets)

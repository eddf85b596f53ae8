"""Methods whose plain form grows with a square have another one for what is large, which says the same."""

from __future__ import annotations

import numpy as np
import pytest

import ensembles
from ensembles import bayesian, dynamic, inputs, stacking, voting
from ensembles.inputs import PrincipalComponents


def make(members: int, samples: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = np.arange(samples) % classes
    logits = 2.0 * np.eye(classes)[targets] + random.normal(size=(members, samples, classes))
    return logits.astype(np.float32), targets


def test_borda_gives_many_classes_the_points_of_every_two_compared(monkeypatch: pytest.MonkeyPatch):
    logits, _ = make(3, 40, 20)
    logits[0] = np.round(logits[0])  # ties of several classes
    logits[1, :, 5:9] = -1.0
    logits[2, 0] = 0.0
    by_order = voting.Borda().points(logits)
    monkeypatch.setattr(voting, "FEW_CLASSES", 20)
    np.testing.assert_array_equal(by_order, voting.Borda().points(logits))
    np.testing.assert_allclose(by_order.sum(axis=1), 3 * 20 * 19 / 2)


def test_few_components_of_many_features_are_those_of_the_whole_covariance(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    features = (random.normal(size=(60, 8)) * 0.7 ** np.arange(8)) @ random.normal(size=(8, 300))
    features += 0.01 * random.normal(size=features.shape)
    whole = PrincipalComponents.fit(features, 5)
    monkeypatch.setattr(inputs, "MANY_FEATURES", 50)
    few = PrincipalComponents.fit(features, 5)
    np.testing.assert_allclose(few.of(features), whole.of(features), atol=1e-8)
    rank_two = np.outer(np.arange(60.0), np.sin(np.arange(300))) + np.outer(np.ones(60), np.cos(np.arange(300)))
    assert len(PrincipalComponents.fit(rank_two, 5).axes) == 2  # what is rounding is left out here, too


def test_draws_in_blocks_are_the_same_draws(monkeypatch: pytest.MonkeyPatch):
    logits, targets = make(4, 100, 3)
    whole, blocks = bayesian.PseudoBMA(), bayesian.PseudoBMA()
    whole.fit(logits, targets)
    monkeypatch.setattr(bayesian, "SHARES_AT_ONCE", 700)
    blocks.fit(logits, targets)
    assert whole.weights_ is not None and blocks.weights_ is not None
    np.testing.assert_allclose(blocks.weights_, whole.weights_, rtol=1e-9)


def test_neighbours_are_searched_among_so_many_images_at_most(monkeypatch: pytest.MonkeyPatch):
    logits, targets = make(3, 90, 3)
    every_third, kept = slice(None, None, 3), 30
    monkeypatch.setattr(dynamic, "MOST_SEARCHED", kept)
    few = dynamic.KnoraUnion()
    few.fit(logits[:, :88], targets[:88])
    assert few.features_.shape[0] == few.correct_.shape[0] == kept
    right = logits[:, :88][:, every_third].argmax(axis=2) == targets[:88][every_third]
    np.testing.assert_array_equal(few.correct_, right.T)
    assert few.predict_proba(logits).shape == (90, 3)


def test_stacking_refuses_inputs_whose_square_is_too_much(monkeypatch: pytest.MonkeyPatch):
    logits, targets = make(5, 60, 3)
    monkeypatch.setattr(stacking, "MOST_FEATURES", 14)
    with pytest.raises(ValueError, match=r"^5 members of 3 classes are more than 14 inputs, .* give it fewer members$"):
        ensembles.create("stack_logistic").fit(logits, targets)
    ensembles.create("stack_logistic").fit(logits[:4], targets)

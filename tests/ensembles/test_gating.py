"""The gate, and methods that see features of the images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

import ensembles
from ensembles.arrays import log_softmax, softmax
from ensembles.calibration import temperature
from ensembles.common_scale import CommonScale
from ensembles.gating import Gating, gate_path
from ensembles.inputs import PrincipalComponents, member_outputs


def split_skills(samples: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two members, each right on its own half of the images, which the first feature tells apart."""
    rng = np.random.default_rng(seed)
    targets, features = rng.integers(0, 3, samples), rng.normal(size=(samples, 2))
    logits = rng.normal(size=(2, samples, 3))
    first = features[:, 0] > 0
    logits[0, first] += 4 * np.eye(3)[targets[first]]
    logits[1, ~first] += 4 * np.eye(3)[targets[~first]]
    return logits.astype(np.float32), targets, features


def accuracy(rows: np.ndarray, targets: np.ndarray) -> float:
    return float((rows.argmax(axis=1) == targets).mean())


def test_the_gate_trusts_each_member_on_its_own_images():
    logits, targets, features = split_skills()
    unseen, truth, unseen_features = split_skills(seed=1)
    gated = Gating().fit(logits, targets, features=features)
    uniform = softmax(unseen).mean(axis=0)
    rows = gated.predict_proba(unseen, features=unseen_features)
    assert accuracy(rows, truth) > accuracy(uniform, truth) + 0.01
    weights = gated.gate(unseen, unseen_features)
    first = unseen_features[:, 0] > 0.5
    assert weights[0, first].mean() > 0.7 and weights[1, ~first].mean() > 0.5
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)


def test_a_strong_penalty_gives_the_uniform_average():
    logits, targets, _ = split_skills()
    rows = Gating(strengths=(1e9,)).fit(logits, targets).predict_proba(logits)
    np.testing.assert_allclose(rows, softmax(logits).mean(axis=0), atol=1e-6)


def test_the_gate_minimises_the_penalised_loss_of_the_mixture():
    rng = np.random.default_rng(0)
    inputs, likelihood = rng.normal(size=(3, 50)), rng.uniform(0.1, 1, (4, 50))

    def loss(flat: np.ndarray) -> float:
        weights = softmax((flat.reshape(4, 3) @ inputs).T)
        mixture = [float(w @ p) for w, p in zip(weights, likelihood.T, strict=True)]
        return float(-np.mean(np.log(mixture)) + 0.2 / 8 * (flat**2).sum())

    best = gate_path(inputs, likelihood, [0.2], rounds=300)[-1].ravel()
    rng_steps = 1e-2 * rng.normal(size=(50, 12))
    assert all(loss(best) <= loss(best + step) for step in rng_steps)
    slope = check_grad(loss, lambda flat: np.zeros(12), best)  # how far the gradient there is from zero
    assert slope < 1e-5


def test_noise_earns_no_weak_penalty():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 300, 3)).astype(np.float32), rng.integers(0, 3, 300)
    assert Gating().fit(logits, targets).strength_ > min(Gating().strengths)


@pytest.mark.parametrize("name", ["knora_u", "knora_e"])
def test_neighbours_may_be_found_by_features(name: str):
    logits, targets, features = split_skills()
    unseen, truth, unseen_features = split_skills(seed=1)
    rows = (
        ensembles.create(name).fit(logits, targets, features=features).predict_proba(unseen, features=unseen_features)
    )
    assert accuracy(rows, truth) > accuracy(softmax(unseen).mean(axis=0), truth)
    calibrated = [log_softmax(member / temperature(member, targets)) for member in logits]
    own = np.stack(calibrated, axis=1).reshape(400, -1)
    same = ensembles.create(name).fit(logits, targets, features=own).predict_proba(logits, features=own)
    np.testing.assert_allclose(same, ensembles.create(name).fit(logits, targets).predict_proba(logits), atol=1e-12)


def test_features_are_checked():
    logits, targets, features = split_skills()
    with pytest.raises(ValueError, match="uniform takes no features"):
        ensembles.create("uniform").fit(logits, targets, features=features)
    with pytest.raises(ValueError, match=r"shape \[400, F\], got \[399, 2\]"):
        Gating().fit(logits, targets, features=features[:-1])
    with pytest.raises(ValueError, match="must be finite"):
        Gating().fit(logits, targets, features=np.where(features > 2, np.nan, features))
    with_features, without = Gating().fit(logits, targets, features=features), Gating().fit(logits, targets)
    with pytest.raises(ValueError, match="fitted on 2 features, got no"):
        with_features.predict_proba(logits)
    with pytest.raises(ValueError, match="fitted on no features, got 2"):
        without.predict_proba(logits, features=features)
    with pytest.raises(ValueError, match="fitted on 2 features, got 1"):
        with_features.predict_proba(logits, features=features[:, :1])


def test_components_are_those_of_largest_variance():
    rng = np.random.default_rng(0)
    features = np.diag([5.0, 3.0, 0.1]) @ rng.normal(size=(3, 500))
    found = PrincipalComponents.fit(features, 2)
    rows = found.of(features)
    assert rows.shape == (3, 500) and (rows[-1] == 1).all()
    assert abs(np.corrcoef(rows[0], features[0])[0, 1]) > 0.99
    np.testing.assert_allclose((rows[:2] ** 2).mean(), 1.0)


@pytest.mark.parametrize("name", ["stack_logistic", "stack_mlp"])
def test_stackers_learn_from_logits_or_from_probabilities(name: str):
    logits, targets, _ = split_skills()
    rows = [
        ensembles.create(name, inputs=kind).fit(logits, targets).predict_proba(logits)
        for kind in ("logits", "probabilities")
    ]
    assert not np.allclose(rows[0], rows[1])
    assert all(accuracy(each, targets) > 0.7 for each in rows)
    with pytest.raises(ValueError, match="inputs must be one of logits, probabilities, got 'features'"):
        ensembles.create(name, inputs="features").fit(logits, targets)


def test_a_constant_of_an_image_does_not_reach_the_stackers():
    logits, targets, _ = split_skills()
    moved = logits + np.random.default_rng(0).normal(size=(2, 400, 1)).astype(np.float32)
    for kind in ("logits", "probabilities"):
        one, other = (
            member_outputs(CommonScale.fit(each, targets).log_probabilities(each), kind) for each in (moved, logits)
        )
        np.testing.assert_allclose(one, other, atol=1e-4)

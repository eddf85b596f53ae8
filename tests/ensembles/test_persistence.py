"""Every fitted ensembler goes to a file and comes back as it was, and nothing else is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import ensembles
from ensembles.affect.base import AffectMean, AffectStacking, AffectWeights
from ensembles.persistence import load, save
from ensembles.selection import Greedy
from zoo.feature_boosting import FeatureBoosting


def make(samples: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(samples) % 4
    shared = 2.0 * np.eye(4)[targets] + rng.normal(size=(samples, 4))
    return (shared + rng.normal(size=(4, samples, 4))).astype(np.float32), targets


@pytest.mark.parametrize("name", ensembles.names())
def test_a_fitted_ensembler_comes_back_with_the_same_predictions(name: str, tmp_path: Path):
    fitted = ensembles.create(name).fit(*make())
    unseen, _ = make(seed=1)
    save(fitted, tmp_path / "fitted.safetensors")
    found = load(tmp_path / "fitted.safetensors")
    assert type(found) is type(fitted) and found == fitted
    assert found.predict_proba(unseen).tobytes() == fitted.predict_proba(unseen).tobytes()
    np.testing.assert_array_equal(found.members_used_, fitted.members_used_)
    assert [path.name for path in tmp_path.iterdir()] == ["fitted.safetensors"]


def test_options_come_back(tmp_path: Path):
    fitted = ensembles.create("stack_logistic", strengths=(0.5, 0.05), folds=2, inputs="probabilities").fit(*make())
    save(fitted, tmp_path / "fitted")
    assert load(tmp_path / "fitted") == fitted


def test_what_was_fitted_with_features_still_asks_for_them(tmp_path: Path):
    logits, targets = make()
    features = np.random.default_rng(0).normal(size=(80, 3))
    fitted = ensembles.create("gating").fit(logits, targets, features=features)
    save(fitted, tmp_path / "fitted")
    found = load(tmp_path / "fitted")
    expected = fitted.predict_proba(logits, features=features)
    assert found.predict_proba(logits, features=features).tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="fitted on 3 features, got no"):
        found.predict_proba(logits)


def test_trees_on_features_and_affect_ensemblers_come_back(tmp_path: Path):
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(60, 5)), np.arange(60) % 3
    trees = FeatureBoosting(max_rounds=5).fit(features, targets, features, targets)
    save(trees, tmp_path / "trees")
    np.testing.assert_array_equal(
        load(tmp_path / "trees", FeatureBoosting).predict_logits(features), trees.predict_logits(features)
    )
    predictions, ratings = rng.uniform(-1, 1, (3, 40, 2)), rng.uniform(-1, 1, (40, 2))
    for fitted in (AffectMean(), AffectWeights(), AffectStacking()):
        save(fitted.fit(predictions, ratings), tmp_path / "affect")
        found = load(tmp_path / "affect", type(fitted))
        np.testing.assert_array_equal(found.predict(predictions), fitted.predict(predictions))


def test_nothing_unfitted_is_saved(tmp_path: Path):
    with pytest.raises(ValueError, match="greedy is not fitted"):
        save(Greedy(), tmp_path / "empty")
    assert not list(tmp_path.iterdir())


def test_a_state_that_is_no_data_is_refused(tmp_path: Path):
    fitted = Greedy().fit(*make())
    fitted.order_ = object()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="of type object"):
        save(fitted, tmp_path / "fitted")
    fitted.secret_ = 1  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="greedy has an attribute 'secret_' that its class does not name in `fitted`"):
        save(fitted, tmp_path / "fitted")
    assert not list(tmp_path.iterdir())


def test_files_of_another_kind_are_named(tmp_path: Path):
    (tmp_path / "text").write_text("no safetensors")
    save_file({"weights_": np.ones(3)}, tmp_path / "foreign")
    save(Greedy().fit(*make()), tmp_path / "greedy")
    for name, message in (("text", "cannot be read"), ("missing", "cannot be read"), ("foreign", "holds no ensembler")):
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            load(tmp_path / name)
    with pytest.raises(ValueError, match="holds greedy, not affect_mean"):
        load(tmp_path / "greedy", AffectMean)

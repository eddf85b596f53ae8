"""Trees on penultimate features: a classifier of its own that gives logits, as a network does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from zoo import feature_boosting
from zoo.feature_boosting import FeatureBoosting, Rounds


def make(samples: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(samples, 6)).astype(np.float32)
    return features, (features[:, 0] > 0).astype(int) + (features[:, 1] > 0.8)


def test_trees_learn_stop_and_give_logits():
    unseen, truth = make(seed=2)
    fitted = FeatureBoosting(max_rounds=60).fit(*make(), *make(seed=1))
    logits = fitted.predict_logits(unseen)
    assert logits.shape == (300, 3) and logits.dtype == np.float32
    assert (logits.argmax(axis=1) == truth).mean() > 0.9
    np.testing.assert_allclose(fitted.predict_proba(unseen).sum(axis=1), 1.0, atol=1e-12)
    assert 1 <= fitted.rounds_ <= 60


def test_validation_stops_the_fit_on_noise():
    features, _ = make()
    noise = np.random.default_rng(0).integers(0, 3, 300)
    assert FeatureBoosting(patience=3).fit(features, noise, *make(seed=1)).rounds_ < 10


def test_a_fit_that_was_stopped_goes_on_to_the_same_trees():
    class Enough(Exception):
        pass

    def settings() -> FeatureBoosting:
        return FeatureBoosting(max_rounds=40, patience=4, subsample=0.7, colsample_bytree=0.6)

    data = (*make(), *make(seed=1))
    kept: list[Rounds] = []

    def stop_after_13(rounds: Rounds) -> None:
        kept.append(rounds)
        if len(kept) == 13:
            raise Enough

    with pytest.raises(Enough):
        settings().fit(*data, after_round=stop_after_13)
    assert [rounds.count for rounds in kept] == [0] * 10 + [10] * 3
    whole, parts = settings().fit(*data), settings().fit(*data, begun=kept[-1])
    assert parts.rounds_ == whole.rounds_ > 13
    assert parts.model_.tobytes() == whole.model_.tobytes()


def test_a_fit_goes_on_to_the_same_end_from_any_of_its_rounds():
    data = (*make(), *make(seed=1))
    kept: list[Rounds] = []
    fitted = FeatureBoosting(patience=6).fit(*data, after_round=kept.append)
    assert fitted.model_.tobytes() == FeatureBoosting(patience=6).fit(*data, begun=kept[-1]).model_.tobytes()


def test_only_the_best_rounds_are_kept():
    xgboost = pytest.importorskip("xgboost")
    fitted = FeatureBoosting(max_rounds=200, patience=5).fit(*make(), *make(seed=1))
    booster = xgboost.Booster()
    booster.load_model(bytearray(fitted.model_.tobytes()))
    assert booster.num_boosted_rounds() == fitted.rounds_


def test_the_result_repeats_whatever_the_number_of_threads():
    data = (*make(), *make(seed=1))
    one, other = (FeatureBoosting(max_rounds=8, jobs=jobs).fit(*data).predict_logits(data[0]) for jobs in (1, 2))
    assert one.tobytes() == other.tobytes()


def test_absent_classes_keep_their_column_where_they_are_named():
    fitted = FeatureBoosting(max_rounds=3).fit(*make(), *make(seed=1), num_classes=5)
    assert fitted.predict_logits(make()[0]).shape == (300, 5)


def test_smote_fills_up_rare_classes_and_leaves_validation_alone(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("imblearn")
    features, targets = make()
    rare = np.flatnonzero(targets != 2).tolist() + np.flatnonzero(targets == 2)[:3].tolist()
    more, labels = feature_boosting._oversample(features[rare], targets[rare], 0)
    counts = np.bincount(labels)
    assert len(set(counts)) == 1 and len(more) == len(labels) > len(rare)
    fitted = FeatureBoosting(max_rounds=5, smote=True).fit(features[rare], targets[rare], *make(seed=1))
    plain = FeatureBoosting(max_rounds=5).fit(features[rare], targets[rare], *make(seed=1))
    assert fitted.predict_proba(features)[:, 2].mean() > plain.predict_proba(features)[:, 2].mean()
    with pytest.raises(ValueError, match="two samples of each class; class 2 has one"):
        feature_boosting._oversample(features[:4], np.array([0, 0, 0, 2]), 0)


def test_missing_packages_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch):
    data = (*make(), *make(seed=1))
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    monkeypatch.setitem(sys.modules, "imblearn", None)
    with pytest.raises(ImportError, match="pip install imbalanced-learn"):
        FeatureBoosting(smote=True).fit(*data)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ImportError, match="feature_boosting needs xgboost: pip install xgboost"):
        FeatureBoosting().fit(*data)


def test_bad_input_is_named():
    features, targets = make()
    with pytest.raises(ValueError, match=r"shape \[samples, features\], got \[300\]"):
        FeatureBoosting().fit(features[:, 0], targets, features, targets)
    with pytest.raises(ValueError, match="6 features to fit on, 5 to stop on"):
        FeatureBoosting().fit(features, targets, features[:, :5], targets)
    broken = features.copy()
    broken[4, 2] = np.nan
    with pytest.raises(ValueError, match="at sample 4, feature 2"):
        FeatureBoosting().fit(broken, targets, features, targets)
    with pytest.raises(ValueError, match=r"0\.\.1; .* do not"):
        FeatureBoosting().fit(features, targets, features, targets, num_classes=2)
    with pytest.raises(ValueError, match="not fitted"):
        FeatureBoosting().predict_logits(features)
    fitted = FeatureBoosting(max_rounds=2).fit(features, targets, features, targets)
    with pytest.raises(ValueError, match="fitted on 6 features, got 5"):
        fitted.predict_logits(features[:, :5])

"""Logits on the training images: what goes in comes out, and nothing takes their files for predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.execution.plan import inspect
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from benchmarks.store.train_logits import (
    TrainLogits,
    committable,
    load_in_sample,
    load_out_of_fold,
    save_in_sample,
    save_out_of_fold,
    say_the_same,
    train_logits_path,
)
from tests.helpers.generated import stored_predictions
from tests.helpers.runs import cli
from zoo import registry

DATA, IMAGES, CLASSES = "f" * 32, 90, 7
LOGITS = np.random.default_rng(0).normal(size=(IMAGES, CLASSES)).astype(np.float32)


def configuration(folds: int = 0) -> Configuration:
    member = registry.get("mini_xception")
    return Configuration(replace(member, recipe=replace(member.recipe, folds=folds)), 0, DATA, CLASSES)


def out_of_fold(folder: Path) -> np.ndarray | None:
    found = load_out_of_fold(folder, "mini_xception", 0, DATA, (IMAGES, CLASSES))
    return None if found is None else found.logits


def test_in_sample_logits_come_back_rounded_with_the_digest_of_their_weights(tmp_path: Path):
    saved = save_in_sample(tmp_path, configuration(), LOGITS, "digest")
    kept = load_in_sample(tmp_path, configuration(), IMAGES)
    assert kept is not None and kept.weights == "digest"
    np.testing.assert_array_equal(kept.logits, LOGITS.astype(np.float16))
    np.testing.assert_array_equal(kept.logits, saved.logits)
    assert kept.digests() == saved.digests() == TrainLogits(LOGITS, "digest").digests()


def test_logits_say_the_same_where_they_or_their_weights_are_the_same():
    first, other = TrainLogits(LOGITS), TrainLogits(LOGITS[::-1])
    assert say_the_same(first.digests(), TrainLogits(LOGITS.copy(), "a").digests())
    assert not say_the_same(first.digests(), other.digests())
    predicted, anew = TrainLogits(LOGITS, "a"), TrainLogits(LOGITS[::-1], "a")
    assert say_the_same(predicted.digests(), anew.digests())
    assert not say_the_same(predicted.digests(), TrainLogits(LOGITS[::-1], "b").digests())


def test_either_kind_is_not_the_other(tmp_path: Path):
    save_in_sample(tmp_path, configuration(), LOGITS, "digest")
    assert out_of_fold(tmp_path) is None
    save_out_of_fold(tmp_path, configuration(folds=5), 2 * LOGITS)
    np.testing.assert_array_equal(out_of_fold(tmp_path), (2 * LOGITS).astype(np.float16))
    assert load_in_sample(tmp_path, configuration(folds=5), IMAGES) is None


def test_several_out_of_fold_predictions_are_refused_by_name(tmp_path: Path):
    for folds in (3, 5):
        save_out_of_fold(tmp_path, configuration(folds), LOGITS)
    with pytest.raises(StoreError, match=r"several out-of-fold predictions: mini_xception.*keep one"):
        out_of_fold(tmp_path)


def test_logits_of_other_images_are_refused(tmp_path: Path):
    save_in_sample(tmp_path, configuration(), LOGITS[1:], "digest")
    with pytest.raises(StoreError, match=r"logits of shape \(89, 7\), not \(90, 7\)"):
        load_in_sample(tmp_path, configuration(), IMAGES)


def test_their_files_are_no_predictions(tmp_path: Path, faces: Targets):
    store = PredictionStore(tmp_path / "fer2013" / "predictions")
    save_in_sample(store.folder, configuration(), LOGITS, "digest")
    save_out_of_fold(store.folder, configuration(folds=5), LOGITS)
    assert store.members() == [] and store.seeds("mini_xception") == []
    assert store.prediction_files() == [] and store.speed("mini_xception") is None
    assert store.stale(configuration()) == []
    save_targets(store.folder, faces)
    stored_predictions(store, faces, "mini_xception", images_per_second=321.0)
    (step,), notes = inspect([configuration()], store, faces)
    assert step.stored is not None and notes == []
    speed = store.speed("mini_xception")
    assert speed is not None and speed["images_per_second"] == 321.0
    done = cli("check", str(tmp_path))
    assert done.code == 0, done.err
    assert f"{train_logits_path(store.folder, configuration()).name}: ok\n" in done.out  # and no accuracy on val


def test_only_small_ones_are_for_a_repository():
    assert committable(28_709, 7)
    assert not committable(287_651, 8)

"""Members whose logits are too many for one array: what is searched and predicted is the same."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation import models
from benchmarks.rerun.fits import KnownFits, Validation
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from ensembles.streaming import StackedMembers
from tests.helpers.generated import stored_predictions

NAMES = ["uniform", "greedy", "hard_vote"]


def test_members_that_lie_apart_give_the_same_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 90)
    logits = [(rng.normal(size=(90, 3)) + 1.5 * np.eye(3)[targets]).astype(np.float32) for _ in range(4)]
    together = models.stacked(logits)
    monkeypatch.setattr(models, "STACKED_BYTES", 4 * 90 * 3 * 4 - 1)
    apart = models.stacked(logits)
    assert isinstance(together, np.ndarray) and isinstance(apart, StackedMembers)
    labels, found = list("abcd"), []
    for kind, data in (("together", together), ("apart", apart)):
        known = KnownFits(Validation(data, targets, labels, None, 2), tmp_path / kind)
        found.append([(one.cross_fit_accuracy, known.predict(one, data)) for one in known.search(NAMES)])
    for (accuracy, probabilities), (expected, its) in zip(*found, strict=True):
        assert accuracy == expected
        np.testing.assert_array_equal(probabilities, its)


def test_memory_does_not_grow_with_rows_where_logits_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faces: Targets, nowhere_else: None
):
    """What all rows predict is 40 arrays of 2 MB; of these, a few may be held at a time."""
    images, classes = 2500, 100
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, images)
    many = replace(faces, val=targets, test=targets, classes=tuple(map(str, range(classes))))
    store = PredictionStore(tmp_path)
    names = ("vgg_fer", "resnet18", "mini_xception", "resnet_fer", "vgg_fer_wide", "resnet10t")
    members = [stored_predictions(store, many, name) for name in names]
    logits = [member.val for member in members]

    def held() -> tuple[float, list[models.ScoredModel]]:
        """Memory that the rows hold and the most while they were made, in splits of one row."""
        val = models.stacked(logits)
        known = KnownFits(Validation(val, targets, names, None, 2), tmp_path / "fits", fresh=True)
        before = tracemalloc.get_traced_memory()[0]
        rows = models.scored_models(members, known.search(["uniform", "best_single", "hard_vote"]))
        return (tracemalloc.get_traced_memory()[0] - before) / (8 * images * classes), rows

    tracemalloc.start()
    try:
        whole, expected = held()
        monkeypatch.setattr(models, "STACKED_BYTES", 0)
        apart, rows = held()
    finally:
        tracemalloc.stop()
    assert whole > 2 * len(rows), "two splits of each row, and what was held out"
    assert apart < 1, f"{apart:.1f}"
    for row, its in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(row.val, its.val)
        np.testing.assert_array_equal(row.unseen, its.unseen)

"""Members whose logits are too many for one array: what is searched and predicted is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation import models
from benchmarks.rerun.fits import KnownFits, Validation
from ensembles.streaming import StackedMembers

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

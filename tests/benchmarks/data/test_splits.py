"""Splits that are drawn here are those of scikit-learn, and need none of it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split

from benchmarks.data import digits
from benchmarks.data.splits import folds, hold_out, shuffled_shares
from tests.helpers.runs import python


@pytest.mark.parametrize("seed", range(60))
def test_they_are_those_of_scikit_learn(seed: int):
    random = np.random.default_rng(seed)
    classes = int(random.integers(1, 12))
    count = int(random.integers(2 * classes, 400))
    rare = random.choice(classes, count - 2 * classes, p=random.dirichlet(np.ones(classes)))
    targets = random.permutation(np.concatenate([np.repeat(np.arange(classes), 2), rare])) * int(random.integers(1, 3))
    held = int(random.integers(classes, count - classes + 1))
    expected = train_test_split(np.arange(count), test_size=held, stratify=targets, random_state=seed)
    for ours, theirs in zip(shuffled_shares(targets, held, seed), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(hold_out(targets, held / count, seed), expected, strict=True):
        np.testing.assert_array_equal(ours, np.sort(theirs))
    parts = int(min(5, np.bincount(targets)[np.unique(targets)].min()))
    splits = StratifiedKFold(parts, shuffle=True, random_state=seed).split(targets, targets)
    for ours, (_, theirs) in zip(folds(targets, parts, seed), splits, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_digits_are_read_without_scikit_learn():
    code = "import sys; from benchmarks.data.digits import load; load(); print('sklearn' in sys.modules)"
    assert python("-c", code).stdout == "False\n"


@pytest.mark.parametrize("moved", [False, True])
def test_the_digits_are_those_of_scikit_learn(moved: bool, monkeypatch: pytest.MonkeyPatch):
    if moved:
        monkeypatch.setattr(digits, "find_spec", lambda name: ModuleSpec(name, None, origin=sys.executable))
    pixels, targets = digits._read()
    bunch = load_digits()
    np.testing.assert_array_equal(pixels[:, 0], bunch.images)
    np.testing.assert_array_equal(targets, bunch.target)
    assert targets.dtype == np.int64

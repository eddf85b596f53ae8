"""Splits of our own against those of scikit-learn, whose import is avoided."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold

from ensembles.splits import _strata, stratified_splits


@pytest.mark.parametrize("seed", range(200))
def test_splits_are_those_of_scikit_learn(seed: int):
    random = np.random.default_rng(seed)
    folds, repeats = int(random.integers(2, 8)), int(random.integers(1, 4))
    classes = int(random.integers(1, 12))
    shares = random.dirichlet(np.full(classes, 0.7))  # some classes are rare, or absent
    targets = random.choice(classes, size=int(random.integers(folds, 400)), p=shares)
    theirs = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    expected = list(theirs.split(np.zeros(len(targets)), _strata(targets, folds)))
    found = stratified_splits(targets, folds, repeats, seed)
    assert len(found) == len(expected)
    for ours, other in zip(found, expected, strict=True):
        for part, other_part in zip(ours, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_splitting_imports_no_scikit_learn():
    code = (
        "import sys, numpy\n"
        "from ensembles.splits import stratified_splits\n"
        "stratified_splits(numpy.arange(40) % 4, 5, 2, 0)\n"
        "sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

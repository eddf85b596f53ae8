"""Folds of training keep the images of a group together, so that no network judges a person it was trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.generated import stripes
from zoo.training.cross_validation import Subset, fold_rows

PEOPLE = 9


def people(count: int = 180) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.arange(count) % PEOPLE).astype(np.int64)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_no_person_is_seen_and_held_out(folds: int):
    split = replace(stripes(180, seed=0), groups=people())
    assert split.groups is not None
    parts = fold_rows(split, folds, seed=3)
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(180))
    for seen, held_out in parts:
        assert not set(split.groups[seen]) & set(split.groups[held_out])
        assert len(np.unique(split.targets[held_out])) == 3


def test_folds_without_groups_are_what_they_were():
    from sklearn.model_selection import StratifiedKFold

    split = stripes(60, seed=0)
    expected = StratifiedKFold(5, shuffle=True, random_state=7).split(split.targets, split.targets)
    for mine, other in zip(fold_rows(split, 5, seed=7), expected, strict=True):
        np.testing.assert_array_equal(mine[1], other[1])


def test_more_folds_than_groups_are_refused():
    split = replace(stripes(60, seed=0), groups=np.arange(60) % 4)
    with pytest.raises(ValueError, match=r"training images are of 4 groups, fewer than recipe\.folds=5"):
        fold_rows(split, 5, seed=0)


def test_a_subset_keeps_the_groups_of_its_rows():
    split = replace(stripes(30, seed=0), groups=people(30))
    rows = np.array([7, 2, 29])
    subset = Subset.of(split, rows)
    assert split.groups is not None and subset.groups is not None
    np.testing.assert_array_equal(subset.groups, split.groups[rows])
    assert Subset.of(stripes(30, seed=0), rows).groups is None

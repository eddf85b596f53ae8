"""Data sets made of another one: classes left out, classes balanced, duplicates taken out of test."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.data import DataError, Dataset, Split
from benchmarks.data.derive import deduplicated, downsampled, of_classes
from benchmarks.data.fingerprint import assemble
from benchmarks.data.splits import folds, hold_out


@pytest.fixture
def lopsided(dataset: Dataset) -> Dataset:
    """The stripes with 10 training images of class 0, 20 of class 1 and 40 of class 2."""
    targets = dataset.train.targets
    rows = np.concatenate([np.flatnonzero(targets == target)[: 10 * 2**target] for target in range(3)])
    return assemble({**dataset.splits(), "train": dataset.train.take(rows)}, dataset.classes, "generated")


def test_only_the_classes_asked_for_stay_and_are_counted_anew(dataset: Dataset):
    two = of_classes(dataset, ("checkers", "across"))
    assert two.classes == ("checkers", "across")
    assert np.bincount(two.test.targets).tolist() == [20, 20]
    originals = {
        image.tobytes(): target for image, target in zip(dataset.test.images, dataset.test.targets, strict=True)
    }
    assert [originals[image.tobytes()] for image in two.test.images] == [[2, 0][target] for target in two.test.targets]


def test_downsampling_leaves_the_rarest_class_whole_and_val_and_test_alone(lopsided: Dataset):
    balanced = downsampled(lopsided)
    assert np.bincount(balanced.train.targets).tolist() == [10, 10, 10]
    assert balanced.val is not lopsided.val and np.array_equal(balanced.val.images, lopsided.val.images)
    assert np.array_equal(balanced.test.targets, lopsided.test.targets)
    assert downsampled(lopsided).fingerprint == balanced.fingerprint != downsampled(lopsided, seed=1).fingerprint
    rare = {image.tobytes() for image in lopsided.train.images[lopsided.train.targets == 0]}
    assert rare == {image.tobytes() for image in balanced.train.images[balanced.train.targets == 0]}
    assert "40 training images left out" in balanced.notes[-1]


def test_a_class_without_training_images_cannot_be_balanced(lopsided: Dataset):
    train = lopsided.train.take(np.flatnonzero(lopsided.train.targets != 1))
    with pytest.raises(DataError, match="No training image of down"):
        downsampled(replace(lopsided, train=train))


def test_test_images_that_stand_in_train_are_left_out_and_listed(dataset: Dataset):
    test, train = dataset.test, dataset.train
    twins = Split(train.images[:3], (train.targets[:3] + 1) % 3, ["a", "b", "c"], rows=np.array([7, 8, 9]))
    joined = Split(
        np.concatenate([test.images, twins.images]),
        np.concatenate([test.targets, twins.targets]),
        np.zeros(63, dtype=str),
        rows=np.concatenate([np.arange(100, 160), np.array([7, 8, 9])]),
    )
    leaky = assemble({**dataset.splits(), "test": joined}, dataset.classes, "generated")
    clean = deduplicated(leaky)
    assert clean.fingerprint == deduplicated(clean).fingerprint
    assert {image.tobytes() for image in clean.test.images} == {image.tobytes() for image in test.images}
    listed = list(csv.DictReader(io.StringIO(clean.listings["removed.csv"])))
    assert {int(line["row"]) for line in listed} == {7, 8, 9}
    classes = {line["class"] for line in listed}
    assert classes == {dataset.classes[target] for target in twins.targets}
    assert "3 of 63 test images left out" in clean.notes[-1]


def test_folds_cover_every_image_once_and_keep_groups_whole():
    random = np.random.default_rng(0)
    targets, groups = np.arange(120) % 4, random.permutation(np.arange(120) // 6)
    for grouping in (None, groups):
        parts = folds(targets, 5, 0, grouping)
        assert sorted(np.concatenate(parts).tolist()) == list(range(120))
    members = [set(groups[part]) for part in folds(targets, 5, 0, groups)]
    assert sum(map(len, members)) == len(set().union(*members)) == 20


def test_a_held_out_part_is_stratified_and_disjoint_in_groups():
    targets = np.repeat([0, 1], [90, 30])
    stays, held = hold_out(targets, 0.2, seed=1)
    assert np.bincount(targets[held]).tolist() == [18, 6] and not set(stays) & set(held)
    groups = np.arange(120) // 4
    stays, held = hold_out(targets, 0.2, seed=1, groups=groups)
    assert len(held) == 24 and not set(groups[stays]) & set(groups[held])


def test_too_few_images_or_groups_are_refused():
    with pytest.raises(DataError, match="2 images in the smallest class cannot be split into 3 parts"):
        folds(np.array([0, 0, 0, 1, 1]), 3, 0)
    with pytest.raises(DataError, match="2 groups cannot be split into 5 parts"):
        hold_out(np.array([0, 1] * 10), 0.2, 0, groups=np.arange(20) % 2)
    with pytest.raises(DataError, match="4 images are too few"):
        hold_out(np.array([0, 0, 1, 1]), 0.25, 0)

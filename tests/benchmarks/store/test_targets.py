"""What a store keeps of the images behind targets: their groups, and their rows in the file that was read last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import Dataset
from benchmarks.store import targets as store_targets
from benchmarks.store.targets import Targets, load_targets, save_targets


def test_groups_of_both_splits_are_kept_and_come_to_files_that_lack_them(tmp_path: Path, dataset: Dataset):
    def grouped(name: str, people: int) -> dict[str, np.ndarray]:
        return {"groups": np.arange(len(dataset.splits()[name]), dtype=np.int64) % people}

    known = replace(
        dataset, val=replace(dataset.val, **grouped("val", 4)), test=replace(dataset.test, **grouped("test", 5))
    )
    save_targets(tmp_path, replace(Targets.of(known), val_groups=None))  # as before groups of val were kept
    assert load_targets(tmp_path, dataset.fingerprint).val_groups is None
    save_targets(tmp_path, Targets.of(known))
    found = load_targets(tmp_path, dataset.fingerprint)
    assert found.val_groups is not None and found.test_groups is not None
    assert (len(np.unique(found.val_groups)), len(np.unique(found.test_groups))) == (4, 5)


def test_rows_are_those_of_the_file_that_was_read_last(tmp_path: Path, faces: Targets):
    """The same images in another order of rows: the fingerprint is the same, and earlier rows would mislead."""
    random = np.random.default_rng(0)
    first = replace(faces, val_rows=np.arange(70, dtype=np.int32), test_rows=np.arange(84, dtype=np.int32))
    moved = replace(first, test_rows=random.permutation(84).astype(np.int32))
    save_targets(tmp_path, first)
    save_targets(tmp_path, replace(faces, val_rows=None))  # a form without rows takes none away
    np.testing.assert_array_equal(load_targets(tmp_path, faces.fingerprint).test_rows, first.test_rows)
    save_targets(tmp_path, moved)
    found = load_targets(tmp_path, faces.fingerprint)
    np.testing.assert_array_equal(found.test_rows, moved.test_rows)
    np.testing.assert_array_equal(found.val_rows, first.val_rows)


def test_near_copies_that_an_earlier_detector_found_are_looked_for_again(
    tmp_path: Path, faces: Targets, monkeypatch: pytest.MonkeyPatch
):
    marked = replace(faces, test_near_train=np.arange(84) < 5)
    with monkeypatch.context() as before:
        before.setattr(store_targets, "DETECTOR", "an earlier one")
        save_targets(tmp_path, marked)
        assert load_targets(tmp_path, faces.fingerprint).test_near_train is not None
    assert load_targets(tmp_path, faces.fingerprint).test_near_train is None
    save_targets(tmp_path, replace(faces, test_near_train=np.arange(84) < 9))
    found = load_targets(tmp_path, faces.fingerprint).test_near_train
    assert found is not None and found.sum() == 9


@pytest.mark.parametrize("classes", [7, 256, 257, 1000])
def test_targets_of_as_many_classes_as_there_are_come_back(tmp_path: Path, faces: Targets, classes: int):
    names = tuple(map(str, range(classes)))
    last = replace(faces, classes=names, val=np.full(70, classes - 1), test=np.arange(84) % classes)
    save_targets(tmp_path, last)
    found = load_targets(tmp_path, faces.fingerprint)
    np.testing.assert_array_equal(found.val, last.val)
    np.testing.assert_array_equal(found.test, last.test)

"""Images that are mapped are proven once, and again where anything of their files has changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import Dataset, stamps
from benchmarks.data import mapped as pixels
from benchmarks.data.cache import cached
from benchmarks.data.fingerprint import row_digests
from benchmarks.store import targets
from benchmarks.store.targets import OVERLAPS, Targets


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were digested, each time."""
    counted: list[int] = []

    def counting(split: stamps.Split) -> np.ndarray:
        counted.append(len(split.targets))
        return row_digests(split)

    monkeypatch.setattr(stamps, "row_digests", counting)
    return counted


@pytest.fixture
def read(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Read a data set whose images are past the limit, from its cache where it has one."""
    monkeypatch.setattr(pixels, "MAPPED_BYTES", 2**10)
    source = tmp_path / "source"
    source.write_text("images")

    def build() -> Dataset:
        train, val, test = (mapped(split) for split in dataset.splits().values())
        return Dataset(train, val, test, dataset.classes, dataset.fingerprint, dataset.source)

    def mapped(split: stamps.Split) -> stamps.Split:
        return split.take(np.arange(len(split.targets)))

    return lambda: cached("data", source, [str(source)], build, tmp_path)


def test_what_is_proven_is_not_read_again(read, computed: list[int], dataset: Dataset):
    first = read()
    assert isinstance(first.train.images, np.memmap) and first.fingerprint == dataset.fingerprint
    assert len(computed) == 3, "once for each split"
    again = read()
    assert len(computed) == 3
    assert again.fingerprint == dataset.fingerprint
    for name, split in again.splits().items():
        np.testing.assert_array_equal(split.ids, dataset.splits()[name].ids)


@pytest.mark.parametrize("change", ["touched", "replaced", "stamp damaged", "stamp of others", "stamp gone"])
def test_what_may_have_changed_is_read_again(read, computed: list[int], tmp_path: Path, change: str):
    read()
    (images,), (stamp,), (other,) = (tmp_path.glob(f"*.{name}") for name in ("train.npy", "train.stamp", "val.stamp"))
    computed.clear()
    if change == "touched":
        os.utime(images, (1, 1))
    elif change == "replaced":
        before, content = images.stat(), images.read_bytes()
        images.rename(tmp_path / "away")
        images.write_bytes(content)
        os.utime(images, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "stamp damaged":
        stamp.write_bytes(stamp.read_bytes()[:-1] + b"?")
    elif change == "stamp of others":
        stamp.write_bytes(other.read_bytes())
    else:
        stamp.unlink()
    again = read()
    assert len(computed) == 1 and not again.notes
    read()
    assert len(computed) == 1, "it is remembered again"


def test_a_changed_byte_is_found_and_never_remembered(read, tmp_path: Path, dataset: Dataset):
    read()
    (images,) = tmp_path.glob("*.train.npy")
    content = images.read_bytes()
    images.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = read()
    assert any("was damaged" in note for note in again.notes)
    assert again.fingerprint == dataset.fingerprint


def test_images_in_two_splits_are_looked_for_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch):
    known = Targets.of(dataset)
    monkeypatch.setattr(targets, "also_in", lambda images, others: pytest.fail("it reads all images"))
    again = Targets.of(dataset, known)
    for name in OVERLAPS:
        np.testing.assert_array_equal(getattr(again, name), getattr(known, name))

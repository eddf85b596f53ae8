"""What is kept to spare work, damaged at random: read as it was, or computed anew. It never costs a number or a run."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data import Dataset
from benchmarks.data.cache import cached
from benchmarks.data.fingerprint import assemble
from benchmarks.rerun import fits
from benchmarks.rerun.fits import KnownFits, Validation
from tests.helpers.damage import TRIALS, damaged_copies
from tests.helpers.generated import stripes


@pytest.fixture(autouse=True)
def disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is lost in these tests, and most of their time went there."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def with_rows(count: int, seed: int) -> Any:
    """A split of 8 by 8 images with votes, affect and rows of the original."""
    random = np.random.default_rng(seed)
    return dataclasses.replace(
        stripes(count, seed, 8),
        votes=random.integers(0, 9, (count, 3)).astype(np.float32),
        affect=random.uniform(-1, 1, (count, 2)).astype(np.float32),
        rows=random.permutation(count).astype(np.int64),
    )


def plain(dataset: Dataset) -> Any:
    """All of a data set, but notes of what was built again."""
    return (
        [
            {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(split).items()}
            for split in dataset.splits().values()
        ],
        (dataset.classes, dataset.fingerprint, dataset.source),
        [note for note in dataset.notes if "has been built again" not in note],
    )


def test_a_damaged_cache_of_pixels_is_built_again(tmp_path: Path):
    source, folder = tmp_path / "faces.csv", tmp_path / "cache"
    source.write_text("pixels")
    built: list[int] = []

    def build() -> Dataset:
        built.append(1)
        splits = {name: with_rows(12, seed) for seed, name in enumerate(("train", "val", "test"))}
        return assemble(splits, ("across", "down", "checkers"), "generated", ["an odd copy"])

    def read() -> Any:
        return plain(cached("faces", source, [str(source)], build, folder))

    expected = read()
    (kept,) = folder.glob("*.safetensors")
    content = kept.read_bytes()
    assert read() == expected and len(built) == 1
    for what, damaged in damaged_copies(content):
        kept.write_bytes(damaged)
        assert read() == expected, what
        assert len(built) < 2 or kept.read_bytes() == content, what
    assert len(built) > TRIALS // 4


def test_damaged_fits_are_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    random, targets = np.random.default_rng(0), np.tile(np.arange(3), 10)
    val = Validation(random.normal(size=(3, 30, 3)).astype(np.float32), targets, ("a", "b", "c"), None, 3)
    logits = random.normal(size=(3, 20, 3)).astype(np.float32)
    fitted: list[int] = []
    (known,) = KnownFits(val, tmp_path).search(["log_pool"])

    def search(*arguments: Any, **options: Any) -> list[Any]:
        there = options["known"]
        fitted.extend(1 for name in ("log_pool",) if name not in there)
        return [there.get("log_pool", known)]

    monkeypatch.setattr(fits, "search", search)
    keys = list(fits._keys(val, ["log_pool"]))
    monkeypatch.setattr(fits, "_keys", lambda val, names: iter(keys))  # whose digests of code take most of the time

    def read() -> Any:
        session = KnownFits(val, tmp_path)
        (result,) = session.search(["log_pool"])
        assert result.cross_fit_correct is not None and result.cross_fit_probabilities is not None
        scores = (
            result.cross_fit_accuracy,
            result.cross_fit_correct.tobytes(),
            result.cross_fit_probabilities.tobytes(),
        )
        return (*scores, session.predict(result, logits).tobytes())

    expected = read()
    assert read() == expected and not fitted
    whole = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    assert {path.suffix for path in whole} == {".ensembler", ".scores", ".predicted"}
    for path, content in whole.items():
        for what, damaged in damaged_copies(content):
            path.write_bytes(damaged)
            assert read() == expected, f"{path.suffix}: {what}"
        path.write_bytes(content)
    assert len(fitted) > TRIALS // 4

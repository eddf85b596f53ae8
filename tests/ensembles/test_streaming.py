"""Logits may lie in files: what is fitted on them is what is fitted on an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ensembles
from ensembles import streaming
from ensembles.arrays import log_likelihood, log_softmax
from ensembles.checks import check_logits
from ensembles.selection import BlendHits
from ensembles.streaming import StackedMembers, blocks

STREAMED = [name for name in ensembles.names() if ensembles.get(name).streams]


def make(members: int = 5, samples: int = 90, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, samples)
    shared = 2.0 * np.eye(classes)[targets] + rng.normal(size=(samples, classes))
    return (shared + rng.normal(size=(members, samples, classes))).astype(np.float16), targets


@pytest.fixture
def mapped(tmp_path: Path) -> tuple[StackedMembers, np.ndarray, np.ndarray]:
    """The same members as memory maps of files, as an array, and the targets."""
    logits, targets = make()
    maps = []
    for index, member in enumerate(logits):
        member.tofile(tmp_path / str(index))
        maps.append(np.memmap(tmp_path / str(index), dtype=np.float16, mode="r", shape=member.shape))
    return StackedMembers(maps), logits, targets


def test_selections_and_weights_stream():
    assert {"weighted", "greedy", "greedy_log_loss", "greedy_sorted", "greedy_bagged", "uniform"} <= set(STREAMED)


@pytest.mark.parametrize("name", STREAMED)
def test_fits_on_files_equal_fits_on_an_array(name: str, mapped: tuple, monkeypatch: pytest.MonkeyPatch):
    stacked, logits, targets = mapped
    expected = ensembles.create(name).fit(logits, targets)
    rows = expected.predict_proba(logits)
    monkeypatch.setattr(streaming, "BLOCK_VALUES", 150)  # seven samples at once
    found = ensembles.create(name).fit(stacked, targets)
    assert found.weights_ is not None and expected.weights_ is not None
    np.testing.assert_allclose(found.weights_, expected.weights_, atol=1e-9)
    np.testing.assert_allclose(found.predict_proba(stacked), rows, atol=1e-12)


@pytest.mark.parametrize("name", ensembles.names())
def test_every_ensembler_takes_members_that_lie_apart(name: str, mapped: tuple):
    stacked, logits, targets = mapped
    found, expected = (ensembles.create(name).fit(data, targets) for data in (stacked, logits))
    np.testing.assert_allclose(found.predict_proba(stacked), expected.predict_proba(logits), atol=1e-6)


def test_indexing_reads_what_an_array_would_give(mapped: tuple):
    stacked, logits, _ = mapped
    assert stacked.shape == logits.shape and stacked.dtype == logits.dtype and len(stacked) == 5
    samples = np.array([3, 1, 40])
    for key in (2, slice(1, 3), (slice(None), slice(5, 9)), (slice(None), samples), np.array([4, 0])):
        np.testing.assert_array_equal(stacked[key], logits[key])
    np.testing.assert_array_equal(stacked[np.array([4, 0]), slice(5, 9)], logits[[4, 0], 5:9])
    np.testing.assert_array_equal(np.asarray(stacked), logits)


def test_blocks_cover_every_sample_once(mapped: tuple, monkeypatch: pytest.MonkeyPatch):
    stacked, logits, _ = mapped
    monkeypatch.setattr(streaming, "BLOCK_VALUES", 1)
    assert sum(block.shape[1] for _, block in blocks(stacked)) == 90
    monkeypatch.setattr(streaming, "BLOCK_VALUES", 200)
    joined = np.concatenate([block for _, block in blocks(stacked, np.array([3, 0]))], axis=1)
    np.testing.assert_array_equal(joined, logits[[3, 0]])


def test_likelihood_by_blocks_is_the_likelihood(monkeypatch: pytest.MonkeyPatch):
    logits, targets = make(classes=30)
    monkeypatch.setattr(streaming, "BLOCK_VALUES", 1000)
    expected = log_softmax(logits)[:, np.arange(90), targets]
    np.testing.assert_allclose(log_likelihood(logits, targets), expected, atol=1e-12)


def test_open_pairs_stay_few_however_many_the_classes():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 200, 60)
    shared = 6.0 * np.eye(200)[targets] + rng.normal(size=(60, 200))
    hits = BlendHits((shared + 0.5 * rng.normal(size=(4, 60, 200))).astype(np.float32), targets)
    assert hits.margin.shape[0] < 60 * 200 / 50
    assert hits.margin.shape[1] == 4


def test_a_broken_member_of_files_is_named(mapped: tuple):
    _, logits, _ = mapped
    broken = logits.copy()
    broken[3, 7, 1] = np.nan
    apart = StackedMembers(list(broken))
    with pytest.raises(ValueError, match="1 non-finite values, the first at member fourth, sample 7, class 1"):
        check_logits(apart, labels=["first", "second", "third", "fourth", "fifth"])


def test_members_of_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape and dtype"):
        StackedMembers([np.zeros((3, 2), np.float16), np.zeros((4, 2), np.float16)])
    with pytest.raises(ValueError, match="one shape and dtype"):
        StackedMembers([])

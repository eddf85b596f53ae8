"""FER+: the four rules on votes, against the original's counts where its file is at hand; the join with FER2013."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions
from benchmarks.data.ferplus import reader as ferplus
from benchmarks.data.ferplus.votes import CLASSES, COLUMNS, MODES, read_votes, shares
from tests.helpers.portraits import FOLDER
from tests.helpers.runs import cli

NEUTRAL, HAPPY, SURPRISE, SAD, ANGER, DISGUST, FEAR, CONTEMPT, UNKNOWN, NOT_A_FACE = range(10)
COUNTS = {  # of Training, PublicTest, PrivateTest
    "majority": (25060, 3199, 3153),
    "probability": (27956, 3505, 3505),
    "crossentropy": (27956, 3505, 3505),
    "multitarget": (27671, 3472, 3472),
}
CLASS_COUNTS = {  # of PrivateTest
    "majority": [1090, 893, 396, 384, 273, 18, 83, 16],
    "probability": [1251, 925, 435, 435, 320, 22, 92, 25],
    "crossentropy": [1251, 925, 435, 435, 320, 22, 92, 25],
    "multitarget": [1243, 921, 438, 434, 302, 21, 90, 23],
}
needs_data = pytest.mark.skipif(FOLDER is None, reason="FER2013 and FER+ are not at hand")


def ballot(**votes: int) -> np.ndarray:
    """One image's votes [1,10] by lower-case names of the columns above."""
    row = np.zeros((1, 10), dtype=np.int64)
    for name, count in votes.items():
        row[0, globals()[name.upper()]] = count
    return row


def kept(mode: str, **votes: int) -> dict[int, Any]:
    """Shares by class that a mode makes of one image's votes."""
    row = shares(ballot(**votes), mode)[0]
    return {index: pytest.approx(float(share)) for index, share in enumerate(row) if share}


@needs_data
@pytest.mark.parametrize("mode", MODES)
def test_every_rule_keeps_as_many_images_as_the_original_code(mode: str):
    assert FOLDER is not None
    votes, usages = read_votes(FOLDER / ferplus.VOTES)
    found = shares(votes, mode)
    stays = found.any(axis=1)
    splits = [stays & (np.array(usages) == usage) for usage in ("Training", "PublicTest", "PrivateTest")]
    assert tuple(split.sum() for split in splits) == COUNTS[mode]
    assert np.bincount(found[splits[2]].argmax(axis=1), minlength=8).tolist() == CLASS_COUNTS[mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_single_vote_counts_as_none(mode: str):
    assert kept(mode, happy=9, fear=1) == {HAPPY: 1.0}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("doubt", ["unknown", "not_a_face"])
def test_images_that_most_call_no_expression_are_dropped(mode: str, doubt: str):
    assert kept(mode, **{doubt: 6, "sad": 4}) == {}


def test_the_majority_rule_asks_for_more_than_half():
    assert kept("majority", anger=6, sad=4) == {ANGER: 1.0}
    assert kept("majority", anger=5, sad=5) == {}


def test_the_leading_classes_are_kept_until_they_have_three_quarters():
    assert kept("crossentropy", neutral=8, sad=2) == {NEUTRAL: 1.0}
    assert kept("crossentropy", neutral=5, sad=3, fear=2) == {NEUTRAL: 5 / 8, SAD: 3 / 8}
    assert kept("probability", neutral=4, sad=4, fear=2) == {NEUTRAL: 0.5, SAD: 0.5}


def test_doubt_ends_the_list_of_leading_classes():
    assert kept("crossentropy", happy=6, unknown=4) == {HAPPY: 1.0}
    assert kept("crossentropy", happy=5, unknown=5) == {}


def test_more_than_three_leading_classes_are_none():
    assert kept("crossentropy", happy=4, sad=2, fear=2, anger=2) == {}


def test_several_targets_need_30_per_cent_each_and_more_than_half_together():
    assert kept("multitarget", fear=5, surprise=3, sad=2) == {FEAR: 5 / 8, SURPRISE: 3 / 8}
    assert kept("multitarget", fear=4, sad=2, anger=2, disgust=2) == {}


def _written(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_table_of_other_columns_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"votes.csv: its columns are a, b; FER\+ has Usage, Image name, neutral"):
        read_votes(_written(tmp_path / "votes.csv", [["a", "b"]]))


def test_a_line_without_ten_counts_is_named(tmp_path: Path):
    rows: list[list[object]] = [
        list(COLUMNS),
        ["Training", "", *[1] * 10],
        ["Training", "fer1.png", *[1] * 9, "x"],
    ]
    with pytest.raises(DataError, match=r"votes\.csv, line 3: ten counts of votes"):
        read_votes(_written(tmp_path / "votes.csv", rows))


@pytest.fixture
def copy(tmp_path: Path, nowhere_else: None) -> Path:
    """A folder with twelve images of FER2013 as CSV, four a split, and their votes; the last of each is no face."""
    random = np.random.default_rng(0)
    pixels = [" ".join(map(str, random.integers(0, 256, 48 * 48))) for _ in range(12)]
    usages = [usage for usage in ("Training", "PublicTest", "PrivateTest") for _ in range(4)]
    _written(
        tmp_path / "fer2013.csv",
        [["emotion", "pixels", "Usage"], *([0, *row] for row in zip(pixels, usages, strict=True))],
    )
    ballots = [ballot(happy=10), ballot(sad=5, fear=5), ballot(fear=6, surprise=2, sad=2), ballot(not_a_face=10)] * 3
    rows = [[usage, "", *votes[0].tolist()] for usage, votes in zip(usages, ballots, strict=True)]
    _written(tmp_path / ferplus.VOTES, [list(COLUMNS), *rows])
    return tmp_path


def test_votes_are_joined_by_row_and_images_without_a_class_left_out(copy: Path):
    dataset = ferplus.load(copy, training="crossentropy", evaluation="majority")
    assert dataset.classes == CLASSES
    assert [len(split) for split in dataset.splits().values()] == [3, 2, 2]
    train = dataset.train
    assert train.votes is not None and train.rows is not None
    expected = {0: {HAPPY: 1.0}, 1: {SAD: 0.5, FEAR: 0.5}, 2: {FEAR: 0.6, SURPRISE: 0.2, SAD: 0.2}}
    for row, target, votes in zip(train.rows, train.targets, train.votes, strict=True):
        assert {index: pytest.approx(share) for index, share in expected[row].items()} == {
            index: share for index, share in enumerate(votes) if share
        }
        assert target == max(expected[row], key=lambda index: expected[row][index])
    assert any("2 of 4 images left out by the majority rule" in note for note in dataset.notes)


def test_each_rule_is_other_data(copy: Path):
    prints = {suites.get(name).read(DataOptions(copy)).fingerprint for name in suites.suites() if "ferplus" in name}
    assert len(prints) == 4  # probability and cross-entropy differ in training alone


def test_votes_that_do_not_line_up_are_refused(copy: Path):
    lines = (copy / ferplus.VOTES).read_text().splitlines()
    (copy / ferplus.VOTES).write_text("\n".join([lines[0], *reversed(lines[1:])]))
    with pytest.raises(DataError, match="does not line up with FER2013: rows of Training"):
        ferplus.load(copy, training="majority", evaluation="majority")


def test_missing_votes_say_where_they_were_looked_for(copy: Path):
    (copy / ferplus.VOTES).unlink()
    outcome = cli("--suite", "ferplus", "--data", copy, "--train", "missing", "--results", copy / "results")
    assert outcome.code == 2
    assert str(copy / ferplus.VOTES) in outcome.err and "github.com/microsoft/FERPlus" in outcome.err


def test_the_download_asks_the_repository_for_the_votes(copy: Path, monkeypatch: pytest.MonkeyPatch):
    (copy / ferplus.VOTES).unlink()
    asked = []

    def fetch(url: str, target: Path) -> None:
        asked.append(url)
        Path(target).write_text("votes")

    monkeypatch.setattr("urllib.request.urlretrieve", fetch)
    assert ferplus.download(copy) == copy
    assert asked == [ferplus.VOTES_URL] and (copy / ferplus.VOTES).read_text() == "votes"

    def no_network(url: str, target: Path) -> None:
        raise OSError("no route")

    (copy / ferplus.VOTES).unlink()
    monkeypatch.setattr("urllib.request.urlretrieve", no_network)
    with pytest.raises(DataError, match="could not be downloaded"):
        ferplus.download(copy)
    assert not (copy / ferplus.VOTES).exists()


def test_an_option_that_does_not_apply_is_refused(copy: Path):
    outcome = cli("--suite", "ferplus", "--data", copy, "--image-side", 64, "--train", "missing", "--results", copy)
    assert outcome.code == 2 and "--image-side does not apply to the suite ferplus" in outcome.err

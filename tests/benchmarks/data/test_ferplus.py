"""FER+: the four rules on votes, against the original's counts where its file is at hand; the join with FER2013."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions
from benchmarks.data.fer2013 import parquet
from benchmarks.data.fer2013 import reader as fer2013
from benchmarks.data.fer2013.table import Rows, dataset_of
from benchmarks.data.ferplus import reader as ferplus
from benchmarks.data.ferplus.votes import CLASSES, COLUMNS, MODES, agreement, read_votes, shares
from benchmarks.data.known import KNOWN, named
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
KNOWN_BY_NAME = {name: fingerprint for fingerprint, name in KNOWN.items()}
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


# --- votes and images are of the same rows ---


def names_of(rows: Sequence[object]) -> list[list[object]]:
    """The rows of a table of votes, each with the name that the original gives its image."""
    return [["Training", f"fer{number:07}.png", *[1] * 10] for number, _ in enumerate(rows)]


@pytest.mark.parametrize("move", [lambda rows: [*rows[:4], *rows[5:]], lambda rows: [rows[1], rows[0], *rows[2:]]])
def test_a_table_of_votes_whose_lines_were_moved_is_told_by_its_names(move: Any, tmp_path: Path):
    rows = names_of(range(8))
    rows[2][1] = ""  # some have none in the original, too
    assert len(read_votes(_written(tmp_path / "votes.csv", [list(COLUMNS), *rows]))[1]) == 8
    with pytest.raises(DataError, match=r"votes\.csv, line \d: names fer\d{7}\.png, and \d lines name images of"):
        read_votes(_written(tmp_path / "votes.csv", [list(COLUMNS), *move(rows)]))


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ","), ("utf-16", ";"), ("cp1252", "\t")])
def test_votes_are_read_as_spreadsheets_write_them(encoding: str, delimiter: str, tmp_path: Path):
    rows: list[list[Any]] = [list(COLUMNS), *names_of(range(8))]
    text = "\r\n".join(delimiter.join(map(str, row)) for row in rows)
    (tmp_path / "votes.csv").write_bytes(text.encode(encoding))
    votes, usages = read_votes(tmp_path / "votes.csv")
    assert votes.tolist() == [[1] * 10] * 8 and usages == ["Training"] * 8


def test_long_lines_are_not_printed_whole(tmp_path: Path):
    for rows in ([["x" * 9000]], [list(COLUMNS), ["Training", "", "9" * 9000]]):
        with pytest.raises(DataError) as caught:
            read_votes(_written(tmp_path / "votes.csv", rows))
        assert len(str(caught.value)) < 500 and "(9,000 characters)" in str(caught.value)


def test_agreement_is_cohens_kappa():
    random = np.random.default_rng(0)
    votes = random.multinomial(10, np.full(10, 0.1), 500)
    votes[:, 8:] = 0
    targets = random.integers(0, 8, 500)
    targets[:300] = votes[:300].argmax(axis=1)
    pairs = np.zeros((8, 8))
    np.add.at(pairs, (votes[:, :8].argmax(axis=1), targets), 1 / 500)
    by_chance = (pairs.sum(axis=0) * pairs.sum(axis=1)).sum()
    expected = (np.trace(pairs) - by_chance) / (1 - by_chance)
    assert expected > 0.5 and agreement(votes, targets, CLASSES) == pytest.approx(expected)
    assert agreement(votes * 0, targets, CLASSES) == 1.0


@pytest.fixture(scope="module")
def official_rows() -> Rows:
    """All rows of FER2013 in the original order, read once."""
    assert FOLDER is not None
    return parquet.read([FOLDER / "fer2013.parquet"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, nowhere_else: None) -> Callable[[Rows], None]:
    """Makes rows those that reading FER2013 gives: a file of them takes a minute to write."""

    def use(rows: Rows) -> None:
        dataset = dataset_of(rows, "rows", "here")
        monkeypatch.setattr(fer2013, "load", lambda data_dir=None: dataset)

    return use


def moved(rows: Rows, keys: np.ndarray, share: float = 1.0) -> Rows:
    """The rows, of which a share is shuffled within each of the keys [N]."""
    random, order = np.random.default_rng(0), np.arange(len(keys))
    for key in np.unique(keys):
        places = np.flatnonzero(keys == key)
        places = random.choice(places, round(share * len(places)), replace=False)
        order[places] = random.permutation(places)
    return replace(rows, images=rows.images[order], targets=rows.targets[order], usages=rows.usages[order])


def altered(rows: Rows) -> Rows:
    """Every pixel a little other, as JPEG leaves them."""
    return replace(rows, images=np.minimum(rows.images, 254) + np.uint8(1))


@needs_data
@pytest.mark.parametrize("within_classes", [False, True])
def test_rows_that_were_moved_find_their_votes_by_their_pixels(
    within_classes: bool, official_rows: Rows, reads: Callable[[Rows], None]
):
    """Same content, same fingerprint, another order: the votes land where they did."""
    reads(official_rows)
    original = suites.get("ferplus").read(DataOptions(FOLDER))
    keys = official_rows.usages * 7 + (official_rows.targets if within_classes else 0)
    reads(moved(official_rows, keys))
    dataset = suites.get("ferplus").read(DataOptions(FOLDER))
    assert dataset.fingerprint == original.fingerprint == KNOWN_BY_NAME["FER+"]
    assert any("another order than the original's" in note for note in dataset.notes)
    assert original.notes == tuple(note for note in dataset.notes if "another order" not in note)
    for split, expected in zip(dataset.splits().values(), original.splits().values(), strict=True):
        assert split.votes is not None and expected.votes is not None
        np.testing.assert_array_equal(split.images, expected.images)
        np.testing.assert_array_equal(split.votes, expected.votes)


@needs_data
@pytest.mark.parametrize(("share", "told"), [(1.0, r"-?0\.0\d"), (0.5, r"0\.\d\d"), (0.25, r"0\.4\d"), (0.0, "")])
def test_rows_that_were_moved_and_cannot_be_matched_take_no_votes(
    share: float, told: str, official_rows: Rows, reads: Callable[[Rows], None]
):
    reads(moved(altered(official_rows), official_rows.usages, share))
    if told:
        with pytest.raises(DataError, match=f"in Training, votes and labels agree with a kappa of {told}, where"):
            suites.get("ferplus").read(DataOptions(FOLDER))
    else:
        assert len(suites.get("ferplus").read(DataOptions(FOLDER)).test) == COUNTS["majority"][2]


@needs_data
def test_class_folders_without_loss_take_the_votes_too(official_rows: Rows, reads: Callable[[Rows], None]):
    shuffled = moved(official_rows, np.zeros(len(official_rows.usages)))
    reads(replace(shuffled, ordered=False))
    assert suites.get("ferplus").read(DataOptions(FOLDER)).fingerprint == KNOWN_BY_NAME["FER+"]
    reads(replace(altered(shuffled), ordered=False))
    with pytest.raises(DataError, match=r"which these are is not known of all.*JPEG"):
        suites.get("ferplus").read(DataOptions(FOLDER))


@needs_data
def test_labels_that_were_edited_do_not_keep_votes_from_images_that_are_known(
    official_rows: Rows, reads: Callable[[Rows], None]
):
    labels = np.random.default_rng(0).permutation(official_rows.targets)
    reads(replace(official_rows, targets=labels))
    assert suites.get("ferplus").read(DataOptions(FOLDER)).fingerprint == KNOWN_BY_NAME["FER+"]


@needs_data
def test_the_official_images_take_their_votes_in_every_suite(official_rows: Rows, reads: Callable[[Rows], None]):
    reads(official_rows)
    for name in ("fer2013", "fer2013-3class", "fer2013-balanced", "fer2013-dedup"):
        dataset = suites.get(name).read(DataOptions(FOLDER))
        assert ferplus.with_votes(dataset, FOLDER).train.votes is not None
        assert dataset.fingerprint in KNOWN


@needs_data
def test_every_rule_has_a_name(official_rows: Rows, reads: Callable[[Rows], None]):
    reads(official_rows)
    names = [name for name in suites.suites() if name.startswith("ferplus")]
    found = {named(suites.get(name).read(DataOptions(FOLDER)).fingerprint) for name in names}
    assert found == {name for name in KNOWN.values() if name.startswith("FER+")}

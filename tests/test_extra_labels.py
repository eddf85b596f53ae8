"""FER+ votes beside FER2013's own labels: the join by rows, and the share of the target that they get."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from portraits import FOLDER

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset, fer2013, ferplus
from benchmarks.data.rows import CLASSES, USAGES
from benchmarks.data.votes import COLUMNS
from benchmarks.session import Options, Session
from zoo.overrides import override

LABELS = [3, 0, 6, 4]  # of each split's images, in the order of CLASSES
BALLOTS = [  # of each split's images, in the order of FER+'s columns
    [0, 10, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 0, 0, 0, 4, 3, 0, 2, 0, 0],
    [0, 0, 5, 0, 0, 0, 4, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 0, 3, 3, 4],
]
VOTES = [  # in the order of CLASSES; the last image has none over them
    [0, 0, 0, 10, 0, 0, 0],
    [4, 3, 0, 0, 0, 0, 1],
    [0, 0, 4, 0, 0, 5, 0],
    [0, 0, 0, 0, 1, 0, 0],
]


def _written(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def copy(tmp_path: Path, nowhere_else: None) -> Path:
    """A folder with twelve images of FER2013 as CSV, four a split, and their votes."""
    random = np.random.default_rng(0)
    pixels = [" ".join(map(str, random.integers(0, 256, 48 * 48))) for _ in range(12)]
    rows = list(zip(LABELS * 3, pixels, np.repeat(USAGES, 4), strict=True))
    _written(tmp_path / "fer2013.csv", [["emotion", "pixels", "Usage"], *rows])
    ballots = [[usage, "", *ballot] for usage, ballot in zip(np.repeat(USAGES, 4), BALLOTS * 3, strict=True)]
    _written(tmp_path / ferplus.VOTES, [COLUMNS, *ballots])
    return tmp_path


def by_row(dataset: Dataset) -> np.ndarray:
    train = dataset.train
    assert train.rows is not None and train.votes is not None
    return train.votes[np.argsort(train.rows)]


def test_votes_are_joined_by_row_and_in_the_order_of_fer2013s_classes(copy: Path):
    assert by_row(ferplus.with_votes(fer2013.load(copy), copy)).tolist() == VOTES


def test_votes_are_of_the_training_split_alone_and_leave_the_data_what_it_was(copy: Path):
    faces = fer2013.load(copy)
    joined = ferplus.with_votes(faces, copy)
    assert joined.fingerprint == faces.fingerprint == suites.get("fer2013").read(DataOptions(copy)).fingerprint
    assert faces.train.votes is None and joined.val is faces.val and joined.test is faces.test
    assert joined.train.images is faces.train.images and joined.train.ids is faces.train.ids


def test_of_fewer_classes_only_their_votes_count(copy: Path):
    suite = suites.get("fer2013-3class")
    assert suite.extra_labels is not None
    data = suite.extra_labels.join(suite.read(DataOptions(copy)), DataOptions(copy))
    assert data.classes == ("happy", "sad", "neutral")
    assert by_row(data).tolist() == [[10, 0, 0], [0, 0, 1], [0, 1, 0]], "surprise and fear are no votes for neutral"


@pytest.mark.parametrize("change", [lambda lines: lines[:-1], lambda lines: [*lines[:3], lines[2], *lines[3:]]])
def test_a_table_of_another_length_is_refused_in_one_message(copy: Path, change):
    lines = (copy / ferplus.VOTES).read_text().splitlines()
    (copy / ferplus.VOTES).write_text("\n".join(change(lines)))
    with pytest.raises(DataError, match=r"fer2013new\.csv does not line up with FER2013: rows of P\w+ are others"):
        ferplus.with_votes(fer2013.load(copy), copy)


def test_only_a_member_that_asks_for_votes_needs_them(copy: Path):
    session = Session(Options("fer2013", members=("five_layer_cnn",), data=DataOptions(copy), results=copy))
    plain = session.members[0]
    wanting = override(plain, ["recipe.labels.votes=true"])
    assert session.lesson(plain) is session.dataset
    assert by_row(session.lesson(wanting)).tolist() == VOTES
    (copy / ferplus.VOTES).unlink()
    assert session.lesson(plain) is session.dataset
    with pytest.raises(DataError, match=r"votes of FER\+ were not found[\s\S]*github\.com/microsoft/FERPlus") as error:
        session.lesson(wanting)
    assert str(copy / ferplus.VOTES) in str(error.value)


@pytest.mark.skipif(FOLDER is None, reason="FER2013 and FER+ are not at hand")
def test_rows_line_up_in_the_real_files():
    assert FOLDER is not None
    train = ferplus.with_votes(fer2013.load(FOLDER), FOLDER).train
    assert train.votes is not None and train.votes.shape == (28709, len(CLASSES)) and train.votes.any(axis=1).all()
    agreement = (train.votes.argmax(axis=1) == train.targets).mean()
    moved = (np.roll(train.votes, 1, axis=0).argmax(axis=1) == train.targets).mean()
    assert agreement == pytest.approx(0.647, abs=0.001) and moved < 0.25

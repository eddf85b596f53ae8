"""RAF-DB: the official list and layout, validation out of training, and what a user is told of a broken copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset, rafdb
from benchmarks.data.expressions import FER2013_CLASSES, expression
from tests.helpers.kdef_rafdb_layouts import RAF_LABELS, write_rafdb

pytestmark = pytest.mark.usefixtures("nowhere_else")
TRAIN, TEST = 20, 4  # of each class


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rafdb(tmp_path_factory.mktemp("rafdb"), TRAIN, TEST)


@pytest.fixture
def copy(images: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return Path(shutil.copytree(images, tmp_path / "copy"))


def load(path: Path, seed: int = 0, side: int = 16) -> Dataset:
    return rafdb.load(DataOptions(path, side=side, seed=seed))


def list_of(folder: Path) -> Path:
    return folder / "basic" / "EmoLabel" / "list_patition_label.txt"


def rows(dataset: Dataset) -> dict[str, set[int]]:
    return {name: set(split.rows.tolist()) for name, split in dataset.splits().items() if split.rows is not None}


def test_validation_is_held_out_of_training_and_the_test_split_stays(images: Path):
    found = load(images)
    assert {name: len(split) for name, split in found.splits().items()} == {"train": 126, "val": 14, "test": 28}
    assert rows(found)["train"] | rows(found)["val"] == set(range(7 * TRAIN))
    assert rows(found)["test"] == set(range(7 * TRAIN, 7 * (TRAIN + TEST)))
    assert np.bincount(found.val.targets).tolist() == [2] * 7


def test_the_labels_of_the_list_become_the_usual_classes(images: Path):
    found = load(images)
    for split in found.splits().values():
        assert split.rows is not None
        names = [expression(RAF_LABELS[row % 7]) for row in split.rows]
        assert [FER2013_CLASSES[target] for target in split.targets] == names


def test_another_seed_moves_validation_alone(images: Path):
    first, second = load(images), load(images, seed=1)
    assert rows(first)["val"] != rows(second)["val"]
    assert rows(first)["test"] == rows(second)["test"]
    assert rows(load(images, side=24)) == rows(first)


def test_the_official_layout_and_one_folder_hold_the_same(images: Path, tmp_path: Path):
    flat = write_rafdb(tmp_path / "flat", TRAIN, TEST, flat=True)
    assert load(flat).fingerprint == load(images).fingerprint


def test_the_compound_expressions_beside_it_are_not_read(copy: Path):
    compound = copy / "compound" / "EmoLabel"
    compound.mkdir(parents=True)
    (compound / "list_patition_label.txt").write_text("train_0001.jpg 11\n")
    assert len(load(copy).test) == 7 * TEST


def test_other_counts_than_the_official_are_noted(images: Path):
    notes = " ".join(load(images).notes)
    assert "140 train images, the official one 12,271" in notes
    assert "28 test images, the official one 3,068" in notes


def drop_image(folder: Path) -> None:
    (folder / "basic" / "Image" / "aligned" / "train_00005_aligned.jpg").unlink()


def damage_image(folder: Path) -> None:
    (folder / "basic" / "Image" / "aligned" / "test_0002_aligned.jpg").write_bytes(b"no image")


def rewritten(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        path = list_of(folder)
        path.write_text("\n".join(change(path.read_text().splitlines())))

    return harm


BROKEN = [
    (drop_image, r"1 of 168 images are missing, such as train_00005_aligned.jpg"),
    (damage_image, r"test_0002_aligned.jpg"),
    (rewritten(lambda lines: ["train_00001.jpg 8", *lines[1:]]), r"line 1: label '8' is not in 1..7 \(1 surprise"),
    (rewritten(lambda lines: ["train_00001.jpg", *lines[1:]]), r"line 1: 'train_00001.jpg' is not as"),
    (rewritten(lambda lines: ["valid_00001.jpg 5", *lines[1:]]), r"line 1: 'valid_00001.jpg 5' is not as"),
    (rewritten(lambda lines: [*lines, lines[0]]), r"line 169: train_00001.jpg is there for a second time"),
    (rewritten(lambda lines: [line for line in lines if line.startswith("train")]), r"names no test image"),
    (lambda folder: shutil.copy(list_of(folder), folder / "list_partition_label.txt"), r"are both RAF-DB's list"),
    (lambda folder: list_of(folder).unlink(), r"(?s)holds no list_patition_label.txt.*whdeng.cn/RAF"),
    (lambda folder: list_of(folder).write_bytes(b"\xff\xfe"), r"cannot be read"),
]


@pytest.mark.parametrize(("harm", "message"), BROKEN)
def test_a_broken_copy_is_refused_with_one_message(copy: Path, harm: Callable[[Path], None], message: str):
    harm(copy)
    with pytest.raises(DataError, match=message):
        load(copy)


def test_who_lacks_the_images_learns_where_they_are_and_how_they_lie():
    with pytest.raises(DataError, match=r"(?s)Looked in:\n  data/rafdb\n.*whdeng.cn/RAF.*EmoLabel/list_patition"):
        suites.get("rafdb").read(DataOptions())

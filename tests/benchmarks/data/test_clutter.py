"""Every reader of image files sees the same data among what systems and archive tools leave behind."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset, kdef, rafdb
from benchmarks.data.expressions import FER2013_CLASSES
from benchmarks.data.fer2013 import reader as fer2013
from tests.helpers.affectnet_layouts import write_folders, write_lists
from tests.helpers.clutter import strew
from tests.helpers.kdef_rafdb_layouts import write_kdef, write_rafdb

pytestmark = pytest.mark.usefixtures("nowhere_else")
SIDE = 16


def write_fer2013(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for number, (split, usage) in enumerate(
        [("train", "Training")] * 2 + [("test", "PublicTest"), ("test", "PrivateTest")]
    ):
        for name in FER2013_CLASSES:
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(random.integers(0, 256, (48, 48), dtype=np.uint8))
            image.save(folder / split / name / f"{usage}_{number}.png")
    return folder


def write_raf_folders(folder: Path) -> Path:
    """The images of `write_rafdb` as they are handed on without the list: in folders called by the labels' numbers."""
    source = write_rafdb(folder.parent / "source", 10, 2, flat=True)
    for line in next(source.glob("list*.txt")).read_text().splitlines():
        name, label = line.removesuffix(line[-6:]), line[-1]
        place = folder / name.partition("_")[0] / label
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / f"{name}_aligned.jpg", place)
    shutil.rmtree(source)
    return folder


def options(folder: Path) -> DataOptions:
    return DataOptions(folder, side=SIDE)


FORMS: list[tuple[str, Callable[[Path], Path], Callable[[Path], Dataset]]] = [
    ("fer2013 folders", write_fer2013, fer2013.load),
    ("kdef", lambda folder: write_kdef(folder, 10, "A", ("S",)), lambda folder: kdef.fold(options(folder), 0)),
    ("rafdb", lambda folder: write_rafdb(folder, 10, 2), lambda folder: rafdb.load(options(folder))),
    ("rafdb folders", write_raf_folders, lambda folder: rafdb.load(options(folder))),
    ("affectnet", lambda folder: write_folders(folder, 6, 2), lambda folder: affectnet(folder)),
    ("affectnet lists", lambda folder: write_lists(folder, 6, 2), lambda folder: affectnet(folder)),
]


def affectnet(folder: Path) -> Dataset:
    return suites.get("affectnet8").read(options(folder))


@pytest.mark.parametrize(("form", "write", "read"), FORMS, ids=[form for form, *_ in FORMS])
def test_clutter_changes_nothing(
    form: str, write: Callable[[Path], Path], read: Callable[[Path], Dataset], tmp_path: Path
):
    root = write(tmp_path / "data")
    clean = read(root)
    strew(root)
    found = read(root)
    assert found.fingerprint == clean.fingerprint
    assert set(clean.notes) <= set(found.notes)
    if not form.startswith("affectnet"):  # which lists its files by itself: nothing else is looked at
        assert any("left behind were not read" in note for note in found.notes)


@pytest.mark.parametrize(("form", "write", "read"), FORMS, ids=[form for form, *_ in FORMS])
def test_an_archive_in_a_folder_of_its_own_is_found(
    form: str, write: Callable[[Path], Path], read: Callable[[Path], Dataset], tmp_path: Path
):
    root = write(tmp_path / "data" / "archive").parent
    strew(root)
    assert read(root).fingerprint == read(root / "archive").fingerprint


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize(("form", "write", "read"), FORMS[:4], ids=[form for form, *_ in FORMS[:4]])
def test_a_link_back_changes_nothing(
    form: str, write: Callable[[Path], Path], read: Callable[[Path], Dataset], tmp_path: Path
):
    root = write(tmp_path / "data")
    clean = read(root)
    deepest = max((Path(parent) for parent, _, _ in os.walk(root)), key=lambda path: len(path.parts))
    (deepest / "back").symlink_to("..")
    (deepest / deepest.name).symlink_to(".")
    found = read(root)
    assert found.fingerprint == clean.fingerprint
    assert any("not read again" in note for note in found.notes)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard", "soft"])
def test_equal_images_that_a_tool_made_one_file_stay_two_where_names_tell_them_apart(
    link: Callable[[Path, Path], None], tmp_path: Path
):
    root = write_fer2013(tmp_path / "data")
    twin = root / "train" / "sad" / "Training_0.png"
    shutil.copy(root / "train" / "happy" / "Training_1.png", twin)
    copied = fer2013.load(root).fingerprint
    twin.unlink()
    link(root / "train" / "happy" / "Training_1.png", twin)
    assert fer2013.load(root).fingerprint == copied


# --- where one name or folder stands for two ---


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_fer2013s_class_folders_on_one_pool_are_refused(tmp_path: Path):
    root = write_fer2013(tmp_path / "data")
    shutil.rmtree(root / "train" / "sad")
    (root / "train" / "sad").symlink_to("happy")
    with pytest.raises(DataError, match=r"train/sad: leads to the same files as .*train/happy"):
        fer2013.load(root)


def test_a_class_of_fer2013_without_images_is_named(tmp_path: Path):
    root = write_fer2013(tmp_path / "data")
    for path in (root / "test" / "disgust").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(DataError, match=r"test/disgust: holds no image that can be read"):
        fer2013.load(root)


def test_jfif_is_jpeg_in_fer2013_too(tmp_path: Path):
    root = write_fer2013(tmp_path / "data")
    for path in list(root.glob("*/*/*.png")):
        with Image.open(path) as image:
            image.save(path.with_suffix(".jfif"), "JPEG", quality=95)
        path.unlink()
    found = fer2013.load(root)
    assert [len(split) for split in found.splits().values()] == [14, 7, 7]
    assert any(note.startswith("JPEG may hold other pixels") for note in found.notes)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_affectnets_two_sets_in_one_folder_are_refused(tmp_path: Path):
    root = write_folders(tmp_path / "data", 6, 2)
    shutil.rmtree(root / "val_set")
    (root / "val_set").symlink_to("train_set")
    with pytest.raises(DataError, match="are the same folder"):
        affectnet(root)


def test_two_images_of_one_number_are_refused(tmp_path: Path):
    root = write_folders(tmp_path / "data", 6, 2)
    shutil.copy(root / "val_set" / "images" / "3.jpg", root / "val_set" / "images" / "3.png")
    with pytest.raises(DataError, match=r"3\.png: is image 3 for a second time, beside 3\.jpg"):
        affectnet(root)


def test_two_aligned_images_of_one_name_are_refused(tmp_path: Path):
    root = write_rafdb(tmp_path / "data", 10, 2)
    image = next(root.rglob("train_00001_aligned.jpg"))
    (image.parent / "copy").mkdir()
    shutil.copy(image, image.parent / "copy")
    with pytest.raises(DataError, match=r"train_00001_aligned.jpg: is there twice, also as"):
        rafdb.load(options(root))

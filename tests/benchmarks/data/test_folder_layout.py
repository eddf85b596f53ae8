"""What a folder of class folders may be mixed with: links, clutter of systems, kinds of images that are not read."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data import DataError
from benchmarks.data.folder.layout import Layout, scan
from tests.helpers.clutter import strew

unix = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
CLASSES = ("angry", "happy", "sad")


def faces(root: Path, each: int = 4, classes: tuple[str, ...] = CLASSES, ending: str = ".png") -> Path:
    """`each` small images of every class, of which no two are equal."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            image = Image.new("L", (8, 8), 10 * number + place)
            image.save(root / name / f"{number}{ending}", "JPEG" if ending == ".jfif" else None)
    return root


def counts(layout: Layout) -> dict[str, int]:
    return dict(zip(layout.classes, np.bincount(layout.targets).tolist(), strict=True))


def refused(root: Path, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(root)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


# --- links (each real folder and file once) ---


@unix
def test_a_link_made_twice_lies_inside_itself_and_counts_nothing_twice(tmp_path: Path):
    source, root = faces(tmp_path / "source"), tmp_path / "data"
    root.mkdir()
    for name in CLASSES:
        for link in (root / name, source / name / name):  # what `ln -s SOURCE/happy DATA/happy` does, typed twice
            link.symlink_to(source / name)
    layout = scan(root)
    assert counts(layout) == {"angry": 4, "happy": 4, "sad": 4}
    assert layout.files[:2] == ["angry/0.png", "angry/1.png"]
    assert "not read again: angry/angry is angry; happy/happy is happy" in layout.notes[-1]


@unix
@pytest.mark.parametrize("target", ["..", "../..", "../../data/sad/.."])
def test_a_link_back_from_within_a_class_is_left_out(target: str, tmp_path: Path):
    root = faces(tmp_path / "data")
    (root / "sad" / "back").symlink_to(target)
    if target == "..":
        assert counts(scan(root)) == {"angry": 4, "happy": 4, "sad": 4}
        return
    # Above the data itself: other images are found by it, and these once.
    faces(tmp_path / "else", 2, ("x",))
    assert sum(counts(scan(root)).values()) in (12, 14)


@unix
@pytest.mark.parametrize("splits", [False, True])
def test_two_links_to_one_pool_are_refused_with_both_names(splits: bool, tmp_path: Path):
    pool = faces(tmp_path / "pool", classes=("all", "rest"))
    root = tmp_path / "data"
    names = ("train/a", "train/b", "test/a", "test/b") if splits else ("a", "b", "c")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(pool / ("all" if name[-1] == "a" else "rest"))
    if not splits:
        refused(root, f"{root / 'c'}: leads to the same files as {root / 'b'}", "Remove one of the two")
    else:
        refused(root, "/a: leads to the same files as", "second split")


@unix
def test_a_test_folder_that_is_the_training_folder_is_refused(tmp_path: Path):
    root = faces(tmp_path / "data" / "train").parent
    (root / "test").symlink_to("train")
    refused(root, f"{root / 'test'}: leads to the same files as {root / 'train'}")


@unix
def test_a_class_that_leads_to_the_folder_of_all_classes_is_refused(tmp_path: Path):
    root = faces(tmp_path / "data")
    (root / "all").symlink_to(".")
    refused(root, f"{root / 'all'}: leads to the same files as {root}")


@unix
@pytest.mark.parametrize("link", [os.link, os.symlink], ids=["hard", "soft"])
def test_one_image_in_two_classes_or_splits_is_refused(link: Callable[[Path, Path], None], tmp_path: Path):
    root = faces(tmp_path / "data")
    link(root / "angry" / "0.png", root / "sad" / "same.png")
    refused(root, "sad/same.png", "angry/0.png", "second class")
    given = faces(tmp_path / "given" / "train").parent
    faces(given / "test", 1)
    link(given / "train" / "angry" / "2.png", given / "test" / "angry" / "2.png")
    refused(given, "angry/2.png: leads to the same files as", "second split")


@unix
def test_one_image_by_two_names_in_a_class_counts_once(tmp_path: Path):
    root = faces(tmp_path / "data")
    (root / "angry" / "deeper").mkdir()
    os.link(root / "angry" / "0.png", root / "angry" / "deeper" / "0.png")
    (root / "angry" / "link.png").symlink_to("1.png")
    (root / "preview.png").symlink_to("angry/1.png")
    (root / "readme.txt").write_text("no image")
    (root / "angry" / "readme.txt").symlink_to("../readme.txt")
    layout = scan(root)
    assert counts(layout)["angry"] == 4
    assert any("not read again" in note and "angry/link.png is angry/1.png" in note for note in layout.notes)


@unix
def test_splits_made_of_links_to_a_pool_stay_splits(tmp_path: Path):
    pool, root = faces(tmp_path / "pool", 5), tmp_path / "data"
    for split, numbers in (("train", (0, 1, 2)), ("val", (3,)), ("test", (4,))):
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
            for number in numbers:
                (root / split / name / f"{number}.png").symlink_to(pool / name / f"{number}.png")
    layout = scan(root)
    assert {split: len(rows) for split, rows in layout.splits.items()} == {"train": 9, "val": 3, "test": 3}
    assert layout.notes == ()


# --- a class without images ---


def only_of(ending: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for path in folder.iterdir():
            path.rename(path.with_suffix(ending))

    return change


def hide(folder: Path) -> None:
    for path in folder.iterdir():
        path.rename(path.with_name(f".{path.name}"))


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def into_thumbnails(folder: Path) -> None:
    (folder / "@eaDir").mkdir()
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(folder / "@eaDir" / path.name)


LOSSES = [
    (only_of(".heic"), "4 .heic"),
    (only_of(".avif"), "4 .avif"),
    (only_of(".HEIF"), "4 .heif"),
    (only_of(".txt"), "4 .txt"),
    (only_of(""), "4 without ending"),
    (hide, "only what is hidden, such as .0.png"),
    (into_thumbnails, "only what is hidden, such as @eaDir"),
    (empty, "it holds nothing"),
]


@pytest.mark.parametrize(("lose", "seen"), LOSSES)
def test_a_class_whose_images_cannot_be_read_is_named(lose: Callable[[Path], None], seen: str, tmp_path: Path):
    lose(faces(tmp_path / "data") / "sad")
    refused(tmp_path / "data", f"{tmp_path / 'data' / 'sad'}: no image in this class folder can be read", seen, ".jpg")


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(("lose", "seen"), LOSSES)
def test_so_is_one_of_a_split(lose: Callable[[Path], None], seen: str, split: str, tmp_path: Path):
    for name in ("train", "val", "test"):
        faces(tmp_path / "data" / name)
    lose(tmp_path / "data" / split / "happy")
    refused(tmp_path / "data", f"{tmp_path / 'data' / split / 'happy'}: no image in this class folder", seen)


def unsorted(folder: Path) -> None:
    for path in list(folder.glob("*/*")):
        path.rename(folder / path.name)
    for path in [path for path in folder.iterdir() if path.is_dir()]:
        path.rmdir()


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("emptied", [False, True])
def test_a_split_without_class_folders_is_not_passed_over(split: str, emptied: bool, tmp_path: Path):
    for name in ("train", "val", "test"):
        faces(tmp_path / "data" / name)
    unsorted(tmp_path / "data" / split)
    if emptied:
        empty(tmp_path / "data" / split)
    refused(tmp_path / "data", f"{tmp_path / 'data' / split}: holds no class folders, beside t", f"{split}/<class>/")


def test_splits_without_any_class_folder_are_not_classes(tmp_path: Path):
    for name in ("train", "test"):
        unsorted(faces(tmp_path / "data" / name))
    refused(tmp_path / "data", "hold no class folders, so that no image has a class", "<class>/")


@pytest.mark.parametrize("ending", [".jfif", ".JPE", ".pnm", ".Jfif"])
def test_other_names_of_jpeg_and_the_like_are_read(ending: str, tmp_path: Path):
    root = faces(tmp_path / "data", ending=".jfif")
    only_of(ending)(root / "sad")
    assert counts(scan(root)) == {"angry": 4, "happy": 4, "sad": 4}


def test_some_images_that_are_not_read_are_noted_with_what_to_do(tmp_path: Path):
    root = faces(tmp_path / "data")
    for name in ("a.heic", "b.HEIC", "c.avif"):
        (root / "sad" / name).write_bytes(b"not looked at")
    notes = " ".join(scan(root).notes)
    assert "left out: 1 .avif, 2 .heic." in notes
    assert "3 of these are images of kinds that are not read: save them as .jpg or .png." in notes


# --- what systems leave behind ---


@pytest.mark.parametrize("splits", [(), ("train", "test"), ("train", "val", "test"), ("train",)])
def test_clutter_of_systems_changes_nothing_and_is_noted(splits: tuple[str, ...], tmp_path: Path):
    root = tmp_path / "data"
    for name in splits or ("",):
        faces(root / name)
    clean = scan(root)
    made = strew(root)
    layout = scan(root)
    assert (layout.files, layout.classes) == (clean.files, clean.classes)
    assert layout.splits.keys() == clean.splits.keys()
    np.testing.assert_array_equal(layout.targets, clean.targets)
    (note,) = set(layout.notes) - set(clean.notes)
    assert note.startswith("Images that the system or an archive tool left behind were not read: ")
    seen = [int(part.split()[0].replace(",", "")) for part in note.rpartition(": ")[2].split(", ")]
    assert sum(seen) <= made and len(seen) == 8  # a kind each; clutter in clutter is counted as its outer folder


@pytest.mark.parametrize("splits", [(), ("train", "test"), ("train",)])
@pytest.mark.parametrize("wrappers", ["archive", "faces/faces", "images"])
def test_an_archive_in_a_folder_of_its_own_is_unwrapped(wrappers: str, splits: tuple[str, ...], tmp_path: Path):
    root = tmp_path / "data"
    for name in splits or ("",):
        faces(root / wrappers / name)
    (root / "__MACOSX" / wrappers / "angry").mkdir(parents=True)
    (root / "__MACOSX" / wrappers / "angry" / "0.png").write_bytes(b"attributes")
    layout = scan(root)
    assert layout.classes == CLASSES
    assert set(layout.splits) == set(splits)
    assert all(file.startswith(f"{wrappers}/") for file in layout.files)
    assert f"Classes and splits are those in {wrappers}, the only folder in data." in layout.notes


@pytest.mark.parametrize("name", ["happy", "Anger", "surprised", "train"])
def test_a_lone_folder_that_is_called_as_a_class_or_split_is_no_wrapper(name: str, tmp_path: Path):
    root = faces(tmp_path / "data" / name, classes=("2019", "2020")).parent
    if name == "train":
        assert scan(root).classes == ("2019", "2020")
        assert set(scan(root).splits) == {"train"}
    else:
        refused(root, f"one class only, {name}")


@unix
def test_a_wrapper_that_is_a_link_to_what_it_lies_in_ends(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "again").symlink_to(".")
    refused(tmp_path / "data", "no images in class folders")


# --- names ---


@pytest.mark.skipif(sys.platform == "darwin", reason="its disks keep one spelling alone")
def test_two_spellings_of_one_name_are_one_class_and_refused(tmp_path: Path):
    for form in ("NFC", "NFD"):
        faces(tmp_path / "data", classes=(unicodedata.normalize(form, "fâché"), "gai"))
    refused(tmp_path / "data", "only differ by case or by how accents are stored")


@pytest.mark.skipif(sys.platform == "darwin", reason="its disks keep one spelling alone")
def test_a_class_has_one_name_on_all_computers(tmp_path: Path):
    names = ("fâché", "zélé", "gai", "Ärger")
    found = []
    for form in ("NFC", "NFD"):
        root = faces(tmp_path / form, classes=tuple(unicodedata.normalize(form, name) for name in names))
        found.append(scan(root))
    assert found[0].classes == found[1].classes == tuple(sorted(names))
    np.testing.assert_array_equal(found[0].targets, found[1].targets)
    assert [unicodedata.normalize("NFC", file) for file in found[1].files] == found[0].files


@pytest.mark.parametrize("pair", [("Straße", "STRASSE"), ("é", "É"), ("happy", "HAPPY")])
def test_names_that_only_differ_by_case_are_refused_in_every_language(pair: tuple[str, str], tmp_path: Path):
    if (
        len({name.casefold() for name in os.listdir(faces(tmp_path / "probe", classes=pair))})
        == 1
        < len(os.listdir(tmp_path / "probe"))
    ):
        refused(tmp_path / "probe", " and ", "only differ by case")

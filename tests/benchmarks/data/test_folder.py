"""Anyone's images: layouts, splits, groups, broken folders, and whole runs."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.data import mapped as pixels
from benchmarks.data.fingerprint import also_in
from benchmarks.data.folder import reader as folder
from benchmarks.data.folder.layout import Layout
from benchmarks.data.folder.splits import assign
from benchmarks.data.splits import hold_out_parts
from benchmarks.suites.suite import Suite
from tests.helpers.portraits import portraits
from tests.helpers.runs import ROOT, cli, python
from zoo import registry
from zoo.inference.predict import predict
from zoo.overrides import override
from zoo.training.job import TrainContext, TrainJob
from zoo.training.loop import train

FORMS = (".png", ".jpg", ".webp", ".bmp")
SIZES = ((48, 48), (64, 80), (120, 90))
FACES = ("happiness", "sadness", "anger")
MOST = 64  # faces of each class


def face_files(root: Path, each: int, classes: Sequence[str] = FACES, form: str = "") -> Path:
    """`each` faces of every class at root/<class>/<person>-<number>, in turn of all forms, sizes, grey and coloured."""
    pool = portraits(MOST, FACES)
    taken = [(face, name) for face, name in zip(pool.images, pool.names, strict=True) if name in classes]
    for number, (face, name) in enumerate(taken[: each * len(classes)]):
        image = Image.fromarray(face)
        if not form:
            image = image.resize(SIZES[number % len(SIZES)])
            image = image.convert("RGB") if number % 2 else image
        path = root / name / f"person{number // len(classes) % 6}-{number}{form or FORMS[number % len(FORMS)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return root


def read(root: Path, groups: str = "", seed: int = 0, side: int | None = None) -> Dataset:
    return folder.load(DataOptions(root, side, groups, seed))


def files_of(dataset: Dataset) -> dict[str, list[dict[str, str]]]:
    """The lines of splits.csv by split."""
    found = defaultdict(list)
    for line in csv.DictReader(io.StringIO(dataset.listings["splits.csv"])):
        found[line["split"]].append(line)
    return found


def contents(dataset: Dataset) -> list[tuple[str, list[int]]]:
    """Ids and targets of all splits."""
    return [(" ".join(split.ids), split.targets.tolist()) for split in dataset.splits().values()]


@pytest.fixture(autouse=True)
def own_cache(nowhere_else: None) -> None:
    """Every test starts without a cache."""


# --- layouts ---


def test_class_folders_alone_are_split_by_seed(tmp_path: Path):
    dataset = read(face_files(tmp_path / "faces", 30))
    assert dataset.classes == ("anger", "happiness", "sadness")
    assert [len(split) for split in dataset.splits().values()] == [72, 9, 9]
    for split in dataset.splits().values():
        assert len(set(np.bincount(split.targets))) == 1  # as many of each class
    assert contents(read(tmp_path / "faces")) == contents(dataset)
    assert contents(read(tmp_path / "faces", seed=1)) != contents(dataset)


def test_the_listing_says_where_each_file_went(tmp_path: Path):
    dataset = read(face_files(tmp_path / "faces", 12))
    found = files_of(dataset)
    assert {name: len(lines) for name, lines in found.items()} == {
        name: len(split) for name, split in dataset.splits().items()
    }
    listed = sorted(line["file"] for lines in found.values() for line in lines)
    assert listed == sorted(path.relative_to(tmp_path / "faces").as_posix() for path in tmp_path.glob("faces/*/*"))
    assert all(line["file"].startswith(line["class"] + "/") for lines in found.values() for line in lines)


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "VALID", "testing"), ("train", "dev", "Test")]
)
def test_given_splits_stay_as_they_are(names: tuple[str, str, str], tmp_path: Path):
    for name, each in zip(names, (6, 2, 3), strict=True):
        face_files(tmp_path / "faces" / name, each)
    dataset = read(tmp_path / "faces")
    assert [len(split) for split in dataset.splits().values()] == [18, 6, 9]
    for split, name in zip(("train", "val", "test"), names, strict=True):
        assert all(line["file"].startswith(f"{name}/") for line in files_of(dataset)[split])


def test_without_a_val_folder_an_eighth_of_train_is_held_out(tmp_path: Path):
    face_files(tmp_path / "faces" / "train", 16)
    face_files(tmp_path / "faces" / "test", 3)
    dataset = read(tmp_path / "faces")
    assert [len(split) for split in dataset.splits().values()] == [42, 6, 9]
    assert any("6 images of train were held out" in note for note in dataset.notes)


def test_without_a_test_folder_val_scores_and_something_else_chooses(tmp_path: Path):
    face_files(tmp_path / "faces" / "train", 16)
    face_files(tmp_path / "faces" / "val", 3)
    dataset = read(tmp_path / "faces")
    found = files_of(dataset)
    assert all(line["file"].startswith("val/") for line in found["test"])
    assert all(line["file"].startswith("train/") for line in found["val"])
    assert any("the val folder is what scores" in note for note in dataset.notes)


def test_a_train_folder_alone_is_split_in_three(tmp_path: Path):
    face_files(tmp_path / "faces" / "train", 10)
    dataset = read(tmp_path / "faces")
    assert [len(split) for split in dataset.splits().values()] == [24, 3, 3]
    assert any("80:10:10" in note for note in dataset.notes)


def test_a_class_may_be_called_train(tmp_path: Path):
    for name, face in zip(("train", "car"), FACES, strict=False):
        face_files(tmp_path / face, 10, (face,))
        (tmp_path / "things").mkdir(exist_ok=True)
        (tmp_path / face / face).rename(tmp_path / "things" / name)
    assert read(tmp_path / "things").classes == ("car", "train")


def test_images_further_down_are_of_the_class_folder(tmp_path: Path):
    root = face_files(tmp_path / "faces", 10)
    deeper = root / "anger" / "2019" / "sadness"
    deeper.mkdir(parents=True)
    for path in (root / "anger").glob("*.*"):
        path.rename(deeper / path.name)
    dataset = read(root)
    assert [np.bincount(split.targets).tolist() for split in dataset.splits().values()] == [[8] * 3, [1] * 3, [1] * 3]


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path):
    root = face_files(tmp_path / "faces", 10)
    for name, number in zip(FACES, ("10", "9", "1"), strict=True):
        (root / name).rename(root / number)
    assert read(root).classes == ("1", "9", "10")


def test_images_are_stored_at_their_median_shorter_side_up_to_a_limit(tmp_path: Path):
    assert read(face_files(tmp_path / "small", 10, form=".png")).train.images.shape[1:] == (1, 48, 48)
    large = tmp_path / "large"
    for place, name in enumerate(("a", "b")):
        for number in range(10):
            path = large / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (300, 200), (10 * number, 100 * place, 0)).save(path)
    assert read(large).train.images.shape[1:] == (3, 112, 112)
    assert read(large, side=24).train.images.shape[1:] == (3, 24, 24)


def test_pixels_are_those_of_the_files(tmp_path: Path):
    dataset = read(face_files(tmp_path / "faces", 10, form=".png"))
    found = portraits(MOST, FACES)
    known = {face.tobytes(): name for face, name in zip(found.images, found.names, strict=True)}
    for split in dataset.splits().values():
        for image, target in zip(split.images, split.targets, strict=True):
            assert known[image.tobytes()] == dataset.classes[target]


def test_what_is_left_out_is_noted(tmp_path: Path):
    root = face_files(tmp_path / "faces" / "train", 8).parent
    face_files(root / "test", 2)
    face_files(root / "more", 2)
    (root / "train" / "anger" / "readme.txt").write_text("no image")
    (root / "train" / "preview.jpg").write_bytes(b"in no class folder, never opened")
    (root / "train" / "anger" / ".hidden.jpg").write_bytes(b"never opened")
    notes = "\n".join(read(root).notes)
    assert "1 .txt, 1 in no class folder" in notes
    assert "left out: more" in notes


def test_equal_pixels_of_two_classes_are_noted_with_an_example(tmp_path: Path):
    root = face_files(tmp_path / "faces", 12, form=".png")
    source = sorted((root / "anger").iterdir())[0]
    (root / "sadness" / "copy.png").write_bytes(source.read_bytes())
    (note,) = [note for note in read(root).notes if "pixels" in note]
    assert note.startswith("2 images have the pixels of another one of another class")
    assert f"anger/{source.name} (anger)" in note
    assert "sadness/copy.png (sadness)" in note


@pytest.mark.parametrize("copies, told", [(4, True), (1, False), (0, False)])
def test_test_images_that_mostly_stand_in_train_are_told(copies: int, told: bool, tmp_path: Path):
    root = face_files(tmp_path / "faces", 20, form=".png")
    for path in sorted(root.glob("*/*")):
        for number in range(copies if copies > 1 or path.stem.endswith("0") else 0):
            path.with_stem(f"{path.stem}-copy{number}").write_bytes(path.read_bytes())
    dataset = read(root)
    seen = int(also_in(dataset.test.images, dataset.train.images).sum())
    note = f"{seen} of {len(dataset.test)} test images also stand in train, pixel for pixel"
    assert any(one.startswith(note) for one in dataset.notes) == told == (seen > len(dataset.test) / 2)
    assert read(root).notes == dataset.notes  # from the cache, too


def sizes(dataset: Dataset) -> list[str]:
    return [note for note in dataset.notes if note.startswith(("Train holds", "Val holds"))]


@pytest.mark.parametrize(
    ("each", "train", "val"),
    [
        (10, "24 images, 8 of each class", "3 images, 1 of each class: .* one image is 33.3 points.* in 3 folds"),
        (
            16,
            "38 images, 12 \\(anger\\) to 14 \\(.*\\) of a class",
            "5 images, .* one image is 20.0 points of accuracy.$",
        ),
        (40, "96 images, 32 of each class", "12 images, 4 of each class: .* one image is 8.3 points of accuracy.$"),
    ],
)
def test_how_few_images_there_are_to_learn_from_and_to_choose_by_is_told(
    each: int, train: str, val: str, tmp_path: Path
):
    learn, choose = sizes(read(face_files(tmp_path / "faces", each)))
    assert re.match(f"Train holds {train}. Recipes were set on 28,709", learn), learn
    assert re.match(f"Val holds {val}", choose), choose


def test_enough_images_are_passed_over_in_silence():
    targets = np.arange(7_000) % 7
    layout = Layout([f"{row:04}" for row in range(7_000)], targets, {}, tuple("abcdefg"))
    assert assign(layout, None, 0).notes == ()
    fewer = replace(layout, files=layout.files[:4_000], targets=targets[:4_000])
    (note,) = assign(fewer, None, 0).notes
    assert note.startswith("Train holds 3,200 images, 457 (c) to 458 (a) of a class") or "of a class" in note


# --- groups ---


def _groups(dataset: Dataset) -> dict[str, set[str]]:
    return {split: {line["group"] for line in lines} for split, lines in files_of(dataset).items()}


def _disjoint(groups: dict[str, set[str]]) -> bool:
    return sum(map(len, groups.values())) == len(set.union(*groups.values()))


@pytest.mark.parametrize("seed", range(3))
def test_no_person_stands_in_two_splits(seed: int, tmp_path: Path):
    dataset = read(face_files(tmp_path / "faces", 24), r"(person\d+)", seed)
    groups = _groups(dataset)
    assert _disjoint(groups)
    assert set.union(*groups.values()) == {f"person{number}" for number in range(6)}
    assert all(len(np.unique(split.targets)) == 3 for split in dataset.splits().values())


def test_groups_of_a_table_split_as_those_of_names_do(tmp_path: Path):
    root = face_files(tmp_path / "faces", 24)
    by_name = read(root, r"(person\d+)")
    table = root / "groups.csv"
    lines = [(path.relative_to(root).as_posix(), path.name.split("-")[0]) for path in root.glob("*/*")]
    table.write_text("\n".join(["file,group", *(",".join(line) for line in lines)]))
    by_table = read(root, str(table))
    assert contents(by_table) == contents(by_name)
    table.write_text("\n".join(["group,file", *(f"{group[-1]},{file}" for file, group in lines)]))
    assert _groups(read(root, str(table)))["train"] == {group[-1] for group in _groups(by_name)["train"]}


def test_a_change_of_the_table_of_groups_splits_anew(tmp_path: Path):
    root = face_files(tmp_path / "faces", 24)
    table, files = tmp_path / "groups.csv", sorted(path.relative_to(root).as_posix() for path in root.glob("*/*"))
    for people in (4, 7):
        table.write_text("\n".join(["file,group", *(f"{file},{place % people}" for place, file in enumerate(files))]))
        groups = _groups(read(root, str(table)))
        assert _disjoint(groups) and len(set.union(*groups.values())) == people


def test_groups_are_kept_together_where_val_is_held_out_of_train(tmp_path: Path):
    face_files(tmp_path / "faces" / "train", 24)
    for path in face_files(tmp_path / "faces" / "test", 4).glob("*/*"):
        path.rename(path.with_name(path.name.replace("person", "guest")))
    groups = _groups(read(tmp_path / "faces", r"((?:person|guest)\d+)"))
    assert _disjoint(groups)
    assert all(name.startswith("guest") for name in groups["test"])


def test_held_out_parts_hold_every_class_where_any_do():
    targets = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    groups = np.array([1, 2, 3, 4, 1, 2, 3, 1, 2, 4])
    with pytest.raises(DataError, match="Whole groups cannot be held out"):
        hold_out_parts(targets, 10, 1, 0, np.where(targets == 2, 9, groups))
    for seed in range(5):
        parts = hold_out_parts(np.tile(targets, 2), 10, 1, seed, np.concatenate([groups, groups + 10]))
        assert all(len(np.unique(np.tile(targets, 2)[rows])) == 3 for rows in parts)
        assert sorted(np.concatenate(parts)) == list(range(20))


def test_each_image_keeps_its_group_from_the_cache_too(tmp_path: Path):
    root = face_files(tmp_path / "faces", 24, form=".png")
    found = portraits(MOST, FACES)
    people = {face.tobytes(): number // len(FACES) % 6 for number, face in enumerate(found.images)}
    for _ in range(2):
        for split in read(root, r"(person\d+)").splits().values():
            assert split.groups is not None
            assert split.groups.tolist() == [people[image.tobytes()] for image in split.images]
    assert read(root).test.groups is None


# --- broken layouts ---


def _two_cases(root: Path) -> None:
    face_files(root, 10)
    (root / "Anger").mkdir()
    next((root / "anger").iterdir()).rename(root / "Anger" / "a.png")


def _two_cases_apart(root: Path) -> None:
    for name in ("train", "test"):
        face_files(root / name, 10)
    (root / "test" / "anger").rename(root / "test" / "Anger")


def _lacking(root: Path) -> None:
    face_files(root / "train", 10)
    face_files(root / "test", 10, ("happiness", "sadness"))


def _surplus(root: Path) -> None:
    face_files(root / "train", 10, ("happiness", "sadness"))
    face_files(root / "test", 10)


def _damaged(root: Path) -> None:
    face_files(root, 10, form=".png")
    for name in FACES[:2]:
        path = sorted((root / name).iterdir())[0]
        path.write_bytes(path.read_bytes()[:100])


def _few(root: Path) -> None:
    face_files(root, 10)
    next((root / "anger").iterdir()).unlink()


def _few_to_choose(root: Path) -> None:
    face_files(root / "train", 7)
    face_files(root / "test", 2)


def _text(root: Path) -> None:
    for name in FACES:
        (root / name).mkdir(parents=True)
        (root / name / "a.txt").write_text("no image")


def _no_train(root: Path) -> None:
    for name in ("val", "test"):
        face_files(root / name, 10)


def _two_vals(root: Path) -> None:
    for name in ("train", "val", "valid"):
        face_files(root / name, 8)


def _many(root: Path) -> None:
    for number in range(300):
        (root / f"person{number}").mkdir(parents=True)
        (root / f"person{number}" / "a.png").touch()


@pytest.mark.parametrize(
    "make, told",
    [
        (lambda root: root.mkdir(), ["no images in class folders"]),
        (_text, ["no images in class folders"]),
        (lambda root: face_files(root / "x", 3, ("anger",)).rename(root / "y"), ["one class only, y"]),
        (_two_cases, ["Anger and anger only differ by case"]),
        (_two_cases_apart, ["Anger and anger only differ by case"]),
        (_lacking, ["test: no images of anger, which other splits have"]),
        (_surplus, ["train: no images of anger, which other splits have"]),
        (_damaged, ["2 of 30 images cannot be read", "happiness/person0-0.png", "sadness/person0-1.png"]),
        (_few, ["anger: 9 images are too few", "10 are needed"]),
        (_few_to_choose, ["anger: 7 images are too few", "8 are needed"]),
        (_no_train, ["test, val without a folder train"]),
        (_two_vals, ["val and valid are both folders of the val split"]),
        (_many, ["300 class folders", "at most 256"]),
    ],
)
def test_a_broken_layout_is_told_once_and_clearly(make: Callable[[Path], object], told: list[str], tmp_path: Path):
    make(tmp_path / "faces")
    with pytest.raises(DataError) as caught:
        read(tmp_path / "faces")
    for part in told:
        assert part in str(caught.value)


def test_a_group_on_both_sides_of_given_folders_is_told_with_both_files(tmp_path: Path):
    face_files(tmp_path / "faces" / "train", 12)
    face_files(tmp_path / "faces" / "test", 3)
    with pytest.raises(DataError, match=r"group person0 stands on both sides of a split: train/\S+ and test/\S+"):
        read(tmp_path / "faces", r"(person\d+)")


@pytest.mark.parametrize(
    "groups, told",
    [
        (r"person\d+", "0 groups in parentheses"),
        (r"(person)(\d+)", "2 groups in parentheses"),
        (r"(person\d+", "no regular expression"),
        (r"(person[1-9])", r"not found in anger/person0-\d+\.\w+, the first of 6 of 30 images"),
        ("absent.csv", "absent.csv: cannot be read"),
        ("columns.csv", "its columns are path, group; file and group are needed"),
        ("short.csv", "no group of anger/.*, the first of 29 of 30 images"),
        (r"(person)", "anger: 1 groups are too few to have some in every split; 3 are needed"),
    ],
)
def test_groups_that_cannot_be_are_told(groups: str, told: str, tmp_path: Path):
    root = face_files(tmp_path / "faces", 10)
    first = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*"))[0]
    Path("columns.csv").write_text(f"path,group\n{first},1\n")
    Path("short.csv").write_text(f"file,group\n{first},1\n")
    if groups == "short.csv":
        told = told.replace("of anger/.*", r"of anger/\S+")
    with pytest.raises(DataError, match=told):
        read(root, groups)


def test_a_seed_with_nothing_to_draw_is_an_error(tmp_path: Path):
    for name in ("train", "val", "test"):
        face_files(tmp_path / "faces" / name, 2)
    with pytest.raises(DataError, match="--split-seed has nothing to decide"):
        read(tmp_path / "faces", seed=1)


# --- cache and memory ---


def test_a_second_start_decodes_nothing_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = face_files(tmp_path / "faces", 12)
    first = read(root)
    monkeypatch.setattr(folder, "read_images", None)  # calling it fails
    again = read(root)
    assert contents(again) == contents(first)
    assert (again.notes, again.listings, again.fingerprint) == (first.notes, first.listings, first.fingerprint)
    for options in ({"seed": 1}, {"side": 20}, {"groups": r"(person\d)"}):
        with pytest.raises(TypeError):
            read(root, **options)


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    """One folder read into memory, and read into files."""
    root = face_files(tmp_path / "faces", 60)
    inside = read(root)
    monkeypatch.setattr(pixels, "MAPPED_BYTES", 2**10)
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "another"))
    return inside, read(root)


def test_images_past_the_limit_stay_in_the_cache_and_are_the_same(mapped: tuple[Dataset, Dataset], tmp_path: Path):
    inside, outside = mapped
    assert outside.fingerprint == inside.fingerprint
    for name, split in outside.splits().items():
        assert isinstance(split.images, np.memmap) and not split.images.flags.writeable
        assert Path(split.images.filename or "").parent == tmp_path / "another"
        np.testing.assert_array_equal(split.images, inside.splits()[name].images)
    again = read(tmp_path / "faces")
    assert isinstance(again.train.images, np.memmap)
    assert again.notes == inside.notes


def test_a_damaged_file_of_images_is_built_again(mapped: tuple[Dataset, Dataset], tmp_path: Path):
    (path,) = (tmp_path / "another").glob("*.train.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    again = read(tmp_path / "faces")
    assert again.fingerprint == mapped[0].fingerprint
    assert any("was damaged" in note for note in again.notes)


@pytest.mark.parametrize("changes", [(), ("recipe.preprocess=median", "recipe.average=swa")])
def test_training_on_mapped_images_gives_the_same_weights(
    changes: tuple[str, ...], mapped: tuple[Dataset, Dataset], tmp_path: Path
):
    member = override(registry.get("lenet"), ["recipe.epochs=2", "recipe.batch_size=32", *changes])
    logits = []
    for number, data in enumerate(mapped):
        trained = train(TrainJob(member, data, 3, name=str(number)), TrainContext(tmp_path))
        logits.append(predict(member, trained.weights, data.test.images, 3, "cpu"))
    np.testing.assert_array_equal(logits[0], logits[1])


MEASURED = """
import os, sys, threading, time
from pathlib import Path
from benchmarks.data import DataOptions, image_files
from benchmarks.data.folder import reader as folder
from benchmarks.data import mapped as pixels
import PIL.Image, PIL.ImageOps, safetensors.numpy, sklearn.model_selection

def taken():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) * 1024

def watch():
    global peak
    while True:
        peak = max(peak, taken())
        time.sleep(0.001)

image_files.BLOCK_BYTES = pixels.BLOCK_BYTES = 2**22
before = peak = taken()
threading.Thread(target=watch, daemon=True).start()
for place, limit in (("files", 2**22), ("memory", 2**40)):
    os.environ["BENCHMARK_CACHE"], pixels.MAPPED_BYTES = place, limit
    data = folder.load(DataOptions(Path(sys.argv[1]), side=320))
    print(sum(split.images.nbytes for split in data.splits().values()), peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells memory of a process from pages of mapped files")
def test_memory_stays_below_that_of_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tmp_path / "faces"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(100):
            Image.new("RGB", (8, 8), (number, len(name), ord(name))).save(root / name / f"{number}.png")
    script = tmp_path / "measured.py"
    script.write_text(MEASURED)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    size, mapped, _, whole = map(int, python(script, root, cwd=tmp_path).stdout.split())
    assert mapped < size / 2
    assert whole > size


# --- the command line ---


def test_the_suite_is_listed_and_explains_itself():
    assert "folder" in [suite["name"] for suite in json.loads(cli("--list", "--json").out)["suites"]]
    without, absent = cli("--suite", "folder"), cli("--suite", "folder", "--data", "absent")
    for outcome, reason in ((without, "--data is missing"), (absent, "absent: there is no such folder")):
        assert outcome.code == 2
        assert reason in outcome.err
        assert "DIR/train/happy/1.jpg" in outcome.err
    assert "is your own" in cli("--suite", "folder", "--download").err


def test_folders_of_other_names_have_results_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    suite = suites.get("folder")
    (tmp_path / "My faces_1 & co").mkdir()
    named = suite.of(DataOptions(tmp_path / "My faces_1 & co"))
    assert (plain(named), named.title) == ("folder-my-faces_1-co", "My faces_1 & co")
    split = suite.of(DataOptions(tmp_path / "My faces_1 & co", 64, r"/(person\d+)", 2))
    assert plain(split) == "folder-my-faces_1-co-image-side-64-groups-person-d-split-seed-2"
    assert split.title == r"My faces_1 & co (--image-side 64, --groups (person\d+), --split-seed 2)"
    monkeypatch.chdir(tmp_path / "My faces_1 & co")
    assert suite.of(DataOptions(Path("."))).name == named.name
    assert suites.get("digits").of(DataOptions(tmp_path)) is suites.get("digits")


def plain(suite: Suite) -> str:
    """The name of a suite of someone's own without the hash behind it."""
    name, _, code = suite.name.rpartition("-")
    assert len(code) == 8 and set(code) <= set("0123456789abcdef")
    return name


def test_names_that_are_alike_do_not_share_results(tmp_path: Path):
    """Each of these would otherwise overwrite the leaderboard and the splits of the one before."""
    suite, found = suites.get("folder"), []
    names = ("a/Faces", "b/Faces", "faces", "my faces", "my-faces", "my_faces", "my  faces", "gesichter", "顔", "脸")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        found.append(suite.of(DataOptions(tmp_path / name)).name)
    for table in ("groups.csv", "a/groups.csv"):
        (tmp_path / table).touch()
    for groups in (r"(a\d)", r"(a-d)", r"(A\d)", "groups.csv", str(tmp_path / "a/groups.csv")):
        found.append(suite.of(DataOptions(tmp_path / "faces", groups=groups)).name)
    found.append(suite.of(DataOptions(tmp_path / "faces", seed=1)).name)
    found.append(suite.of(DataOptions(tmp_path / "faces", side=1)).name)
    assert len(set(found)) == len(found)


def test_one_folder_by_several_paths_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "Faces").mkdir()
    (tmp_path / "link").symlink_to("Faces")
    (tmp_path / "table.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    suite = suites.get("folder")
    paths = ("Faces", "./Faces/", "Faces/../Faces", "link", "~/Faces", str(tmp_path / "Faces"))
    assert len({suite.of(DataOptions(Path(path))).name for path in paths}) == 1
    tables = ("table.csv", "./table.csv", str(tmp_path / "table.csv"))
    assert len({suite.of(DataOptions(Path("Faces"), groups=table)).name for table in tables}) == 1


@pytest.mark.parametrize(
    ("options", "selection"),
    [
        (DataOptions(), "--suite kdef"),
        (DataOptions(seed=3), "--suite kdef --split-seed 3"),
        (DataOptions(Path("somewhere"), side=64), "--suite kdef --image-side 64"),
    ],
)
def test_what_selects_a_suite_is_what_the_command_line_takes(options: DataOptions, selection: str):
    assert suites.get("kdef").of(options).selection == selection


def test_what_selects_a_folder_is_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    suite = suites.get("folder").of(DataOptions(Path("my faces"), groups=r"(a\d)"))
    assert suite.selection == f"--suite folder --data '{tmp_path / 'my faces'}' --groups '(a\\d)'"
    assert suites.get("folder").of(DataOptions()).selection == "--suite folder"


def the_results(named: str) -> Path:
    """The one folder of results of that name, but for the hash behind it."""
    (found,) = Path("out").glob(f"{named}-????????")
    return found


def test_a_whole_run_ends_with_a_leaderboard_and_is_rebuilt_without_the_images(tmp_path: Path, no_figures: None):
    root = face_files(tmp_path / "Faces", 64)
    data = ("--suite", "folder", "--data", root, "--groups", r"(person\d+)", "--results", "out")
    command = (*data, "--members", "linear", "lenet", "--epochs", 1)
    done = cli(*command, "--train", "missing")
    assert done.code == 0, done.err
    out = the_results("folder-faces-groups-person-d")
    results = json.loads((out / "results.json").read_text())
    assert results["protocol"] == {"folds": 1, "unit": "groups", "units": 1}
    assert "The test split holds 1 of 6 groups." in done.out
    assert (results["suite"], results["title"]) == (out.name, r"Faces (--groups (person\d+))")
    assert {row["name"] for row in results["members"]} == {"linear", "lenet"}
    board = (out / "leaderboard.md").read_text()
    assert board.startswith("# Faces")
    assert results["selection"] == f"--suite folder --data {root} --groups '(person\\d+)'"
    assert f"`python benchmark.py {results['selection']} --members NAME --train missing` adds any of it" in board
    assert (out / "splits.csv").read_text().startswith("file,split,class,group\n")
    root.rename(tmp_path / "elsewhere")
    again = cli(*command)
    assert again.code == 0, again.err
    assert ": the folder is not there; this is rebuilt from stored predictions" in again.out
    assert json.loads((out / "results.json").read_text())["members"] == results["members"]
    for other in (tmp_path / "b" / "Faces", tmp_path / "faces"):
        refused = cli(*command, "--data", other)
        assert refused.code == 2 and f"{other}: there is no such folder, and out/folder-faces-groups" in refused.err
        assert f"There are results of folders called alike: {out}. If one" in refused.err
    moved = cli(*command, "--data", tmp_path / "elsewhere", "--train", "never")
    assert moved.code == 2 and "No member of folder-elsewhere" in moved.err
    (tmp_path / "b").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "b" / "Faces")
    moved = cli("--plan", *command, "--data", tmp_path / "b" / "Faces")
    assert f"not used: {out} has results of the same images and splits: call it folder-faces-groups" in moved.out


@pytest.mark.parametrize("each", [10, 14, 20])
def test_folders_of_few_images_end_with_a_leaderboard(each: int, tmp_path: Path, no_figures: None):
    """Val of 2 to 4 images: fewer than the folds of a cross-fit."""
    root = face_files(tmp_path / "few", each, FACES[:2])
    kinds = ("uniform", "best_single", "greedy", "stack_logistic")
    done = cli(
        "--suite", "folder", "--data", root, "--members", "linear", "mlp", "--epochs", 1, "--results", "out",
        "--train", "missing", "--set", "recipe.batch_size=8", "--ensemblers", *kinds,
    )  # fmt: skip
    assert done.code == 0, done.err
    results = json.loads((the_results("folder-few") / "results.json").read_text())
    val = results["splits"]["val"]["size"]
    assert val < 5 and results["headline"]
    assert f"Val holds {val} images" in done.out and f"in {val} folds" in done.out
    assert {row["name"] for row in results["ensembles"]} >= {"uniform", "best_single", "greedy"}


def test_a_member_left_out_comes_with_the_command_that_trains_it(tmp_path: Path, no_figures: None):
    root = face_files(tmp_path / "my faces", 64)
    common = ("--suite", "folder", "--data", root, "--split-seed", 2, "--results", "out", "--ensemblers", "uniform")
    assert cli(*common, "--members", "linear", "--set", "recipe.epochs=1", "--train", "missing").code == 0
    assert cli(*common, "--members", "linear", "lenet", "--set", "recipe.epochs=1", "--train", "never").code == 0
    (left_out,) = json.loads((the_results("folder-my-faces-split-seed-2") / "results.json").read_text())["not_run"]
    assert left_out["command"].startswith(
        f"python benchmark.py --suite folder --data '{root}' --split-seed 2 --members"
    )


def test_options_of_the_data_belong_to_suites_that_heed_them(tmp_path: Path):
    suite = replace(suites.get("folder"), options=("side",))
    with pytest.raises(DataError, match="--groups does not apply"):
        suite.read(DataOptions(tmp_path, groups="(a)"))

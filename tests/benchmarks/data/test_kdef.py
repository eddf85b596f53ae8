"""KDEF: what its file names say, the two protocols, and what a user is told where the images are not all there."""

from __future__ import annotations

import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset, kdef
from benchmarks.data.expressions import FER2013_CLASSES
from benchmarks.data.walk import walk
from tests.helpers.kdef_rafdb_layouts import write_kdef
from zoo import registry

pytestmark = pytest.mark.usefixtures("nowhere_else")
ANGLES = ("S",)
PEOPLE = 10


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people, seven expressions, two sessions, one angle: 140 photographs."""
    return write_kdef(tmp_path_factory.mktemp("kdef"), PEOPLE, angles=ANGLES)


@pytest.fixture
def copy(images: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return Path(shutil.copytree(images, tmp_path / "copy"))


def options(path: Path, seed: int = 0, side: int = 16) -> DataOptions:
    return DataOptions(path, side=side, seed=seed)


def people(dataset: Dataset) -> dict[str, set[int]]:
    return {name: set(split.groups.tolist()) for name, split in dataset.splits().items() if split.groups is not None}


def rows(dataset: Dataset) -> dict[str, list[int]]:
    return {name: sorted(split.rows.tolist()) for name, split in dataset.splits().items() if split.rows is not None}


@pytest.mark.parametrize(
    ("name", "number", "expression", "person"),
    [
        ("AF01AFS.JPG", 0, "fear", 0),
        ("AF01ANHL.JPG", 6, "angry", 0),
        ("AM01NES.JPG", 35 * 35 + 20, "neutral", 35),
        ("bf02dis.jpg", 2 * 35 * 35 + 35 + 10, "disgust", 1),
        ("BM35SUFR.JPG", 4899, "surprise", 69),
    ],
)
def test_a_file_name_says_expression_person_and_place(
    tmp_path: Path, name: str, number: int, expression: str, person: int
):
    (tmp_path / name).touch()
    found, unknown = kdef.photographs(walk(tmp_path))
    assert [(one.number, FER2013_CLASSES[one.target]) for one in found] == [(number, expression)]
    assert kdef.subjects(np.array([number])).tolist() == [person]
    assert unknown == []


@pytest.mark.parametrize("name", ["AF31V.JPG", "AF00ANS.JPG", "AF36ANS.JPG", "CF01ANS.JPG", "AF01XXS.JPG", "FAFFL.JPG"])
def test_a_name_that_is_none_of_kdefs_is_left_out(tmp_path: Path, name: str):
    (tmp_path / name).touch()
    (tmp_path / "AF01ANS.JPG").touch()
    found, unknown = kdef.photographs(walk(tmp_path))
    assert ([one.file.name for one in found], unknown) == (["AF01ANS.JPG"], [name])


def test_every_image_is_tested_once_and_validates_once(images: Path):
    folds = [kdef.fold(options(images), fold) for fold in range(kdef.FOLDS)]
    everything = sorted(chain(*rows(folds[0]).values()))
    for split in ("val", "test"):
        assert sorted(chain(*(rows(fold)[split] for fold in folds))) == everything
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert rows(fold)["val"] == rows(following)["test"]
        assert sorted(chain(*rows(fold).values())) == everything


@pytest.mark.parametrize("seed", range(4))
def test_no_person_is_in_two_splits_of_a_fold(images: Path, seed: int):
    for fold in range(kdef.FOLDS):
        found = people(kdef.fold(options(images, seed), fold))
        assert not found["train"] & found["val"]
        assert not found["train"] & found["test"]
        assert not found["val"] & found["test"]
        assert len(found["train"] | found["val"] | found["test"]) == PEOPLE


def test_folds_hold_every_class_alike(images: Path):
    for fold in range(kdef.FOLDS):
        counts = np.bincount(kdef.fold(options(images), fold).test.targets, minlength=7)
        assert counts.tolist() == [4] * 7


def test_neither_the_side_of_the_images_nor_their_folders_move_a_person(images: Path, tmp_path: Path):
    flat = write_kdef(tmp_path / "flat", PEOPLE, angles=ANGLES, flat=True)
    usual = kdef.fold(options(images), 1)
    assert kdef.fold(options(flat), 1).fingerprint == usual.fingerprint
    larger = kdef.fold(options(images, side=24), 1)
    assert larger.fingerprint != usual.fingerprint
    assert rows(larger) == rows(usual)


def test_the_seed_deals_people_anew(images: Path):
    assert rows(kdef.fold(options(images, seed=1), 0)) != rows(kdef.fold(options(images), 0))
    assert rows(kdef.random_split(options(images, seed=1))) != rows(kdef.random_split(options(images)))


def test_the_random_split_has_everyone_on_both_sides(images: Path):
    found = kdef.random_split(options(images))
    assert {name: len(split) for name, split in found.splits().items()} == {"train": 98, "val": 14, "test": 28}
    assert np.bincount(found.test.targets).tolist() == [4] * 7
    assert people(found)["test"] <= people(found)["train"]
    assert len(set(chain(*rows(found).values()))) == 140


def test_the_full_set_has_980_random_test_images():
    targets = np.repeat(np.arange(7), 700)
    rest, test = kdef.hold_out(targets, kdef.TEST_SHARE, 0)
    train, val = kdef.hold_out(targets[rest], kdef.VAL_SHARE, 0)
    assert (len(train), len(val), len(test)) == (3430, 490, 980)
    assert np.bincount(targets[test]).tolist() == [140] * 7


def test_images_are_colour_and_the_second_start_reads_the_cache(images: Path, monkeypatch: pytest.MonkeyPatch):
    first = kdef.fold(options(images), 0)
    assert first.train.images.shape == (84, 3, 16, 16)
    monkeypatch.setattr(kdef, "read_images", None)
    assert kdef.fold(options(images), 0).fingerprint == first.fingerprint


def test_what_is_left_out_or_missing_is_noted(copy: Path):
    (copy / "KDEF" / "AF01" / "AF01ANS.JPG").rename(copy / "AF31V.JPG")
    (copy / "Readme.txt").write_text("not an image")
    found = kdef.fold(options(copy), 0)
    assert any("139 of KDEF's 4,900 images" in note for note in found.notes)
    assert any("1 images left out" in note and "AF31V.JPG" in note for note in found.notes)
    assert found.listings["left_out.csv"] == "file\nAF31V.JPG\n"


def test_nothing_but_unknown_names_is_an_error(tmp_path: Path):
    (tmp_path / "AF31V.JPG").touch()
    with pytest.raises(DataError, match=r"no image that is named as KDEF's.*\n.*AF31V.JPG"):
        kdef.fold(options(tmp_path), 0)


def test_an_image_that_is_there_twice_is_an_error(copy: Path):
    shutil.copy(copy / "KDEF" / "AF01" / "AF01ANS.JPG", copy / "af01ans.jpg")
    with pytest.raises(DataError, match=r"is there twice, also as .*Keep one"):
        kdef.fold(options(copy), 0)


def test_a_damaged_image_is_named(copy: Path):
    (copy / "KDEF" / "BM02" / "BM02SUS.JPG").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"BM02SUS.JPG"):
        kdef.fold(options(copy), 0)


def test_four_people_are_too_few_for_five_folds(tmp_path: Path):
    with pytest.raises(DataError, match="4 groups cannot be split into 5 parts"):
        kdef.fold(options(write_kdef(tmp_path, 4, "A", ("S",))), 0)


@pytest.mark.parametrize("suite", ["kdef", "kdef-random"])
def test_who_lacks_the_images_learns_where_they_are_and_how_they_lie(suite: str):
    with pytest.raises(DataError, match=r"(?s)Looked in:\n  data/kdef\n.*https://kdef.se.*KDEF/AF01/AF01ANS.JPG"):
        suites.get(suite).read(DataOptions())


def test_people_are_the_groups_and_no_others_can_be_asked_for(images: Path):
    with pytest.raises(DataError, match="--groups does not apply"):
        suites.get("kdef").read(DataOptions(images, groups="x"))


def test_densenet_has_a_member_that_is_fine_tuned_as_published():
    member = registry.get("densenet121_imagenet@paper")
    recipe = member.recipe
    assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size, recipe.epochs) == ("adamw", 1e-4, 8, 50)
    assert (member.init, member.image_size, member.params) == ("imagenet", 224, registry.get("densenet121").params)
    assert registry.get("vgg_fer@kdef").recipe == recipe

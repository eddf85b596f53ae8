"""What a run is about: images that are let go of, targets without images, and who takes part."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.fold import Fold
from benchmarks.session import Options, Session, choose_participants, long_enough
from benchmarks.store.folds import save_folds
from benchmarks.store.identity import FROM
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from benchmarks.suites.suite import Suite
from zoo import registry
from zoo.errors import UnknownName
from zoo.overrides import override

DIGITS = suites.get("digits")


class Reader:
    """Counts how often a data set is read, and knows whether what it read last is still held."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.count = dataset, 0
        self.last: weakref.ref[Dataset]

    def __call__(self, options: DataOptions) -> Dataset:
        self.count += 1
        data = replace(self.dataset, listings={"removed.csv": "row\n"})
        self.last = weakref.ref(data)
        return data

    @property
    def held(self) -> bool:
        return self.last() is not None


@pytest.fixture
def reader(dataset: Dataset) -> Reader:
    return Reader(dataset)


def fold_of(load: Reader, folder: Path) -> Fold:
    return Fold(replace(DIGITS, load=load), DataOptions(), PredictionStore(folder))


def test_images_are_read_once_within_each_other_and_then_let_go(reader: Reader, tmp_path: Path):
    fold = fold_of(reader, tmp_path)
    with fold.images() as outer:
        with fold.images() as inner:
            assert inner is outer
        assert reader.held
        del outer, inner
    assert reader.count == 1 and not reader.held
    with fold.images():
        assert reader.count == 2
    assert fold.listings == {"removed.csv": "row\n"}


def test_images_are_let_go_of_where_their_use_fails(reader: Reader, tmp_path: Path):
    fold = fold_of(reader, tmp_path)
    with pytest.raises(ValueError, match="wrong"), fold.images():
        raise ValueError("wrong")
    assert not reader.held


def test_targets_and_fingerprint_hold_no_images(reader: Reader, tmp_path: Path):
    fold = fold_of(reader, tmp_path)
    assert fold.targets.fingerprint == fold.fingerprint == reader.dataset.fingerprint
    assert not reader.held


def test_stored_targets_need_no_images(reader: Reader, faces: Targets, tmp_path: Path):
    save_targets(tmp_path, faces)
    assert fold_of(reader, tmp_path).targets.fingerprint == faces.fingerprint
    assert reader.count == 0


def test_every_fold_has_targets_of_its_own(faces: Targets, tmp_path: Path):
    def gone(options: DataOptions) -> Dataset:
        raise DataError("no images here")

    store = PredictionStore(tmp_path)
    for digit in "ab":
        save_targets(tmp_path, replace(faces, fingerprint=digit * 32))
    save_folds(tmp_path, ["a" * 32, "b" * 32])
    suite = replace(DIGITS, load=gone, folds=(gone, gone))
    folds = [Fold(suite, DataOptions(), store, index) for index in range(2)]
    assert [fold.targets.fingerprint for fold in folds] == ["a" * 32, "b" * 32]
    assert [fold.place for fold in folds] == ["fold 1 of 2", "fold 2 of 2"]
    with pytest.raises(DataError, match="no images here"):
        _ = folds[0].fingerprint


def names(options: Options, suite: Suite = DIGITS) -> tuple[list[str], list[str], list[str]]:
    chosen = choose_participants(options, suite, ["linear", "not_registered"], ["theirs"], [f"mlp{FROM}faces"])
    return [member.name for member in chosen.members], chosen.external, chosen.transferred


def test_the_suites_members_and_all_that_are_stored_take_part():
    members, external, transferred = names(Options("digits"), replace(DIGITS, members=("lenet",)))
    assert (members, external, transferred) == (["lenet", "linear"], ["theirs"], [f"mlp{FROM}faces"])


def test_patterns_choose_among_members_and_models_from_elsewhere():
    assert names(Options("digits", members=("mlp*",))) == (["mlp"], [], [f"mlp{FROM}faces"])
    assert names(Options("digits", members=("theirs",))) == ([], ["theirs"], [])
    assert names(Options("digits", members=("mlp",), source="faces")) == ([], [], [f"mlp{FROM}faces"])
    with pytest.raises(UnknownName, match="did you mean linear"):
        names(Options("digits", members=("linaer",)))


def test_members_are_trained_as_the_suite_and_the_user_ask():
    suite = replace(DIGITS, members=("lenet",), changes=("recipe.oversample=random", "recipe.epochs=3"))
    options = Options("digits", members=("lenet",), changes=("recipe.batch_size=16",), epochs=2)
    (member,) = choose_participants(options, suite, [], [], []).members
    recipe = member.recipe
    assert (recipe.oversample, recipe.batch_size, recipe.epochs) == ("random", 16, 2)


@pytest.mark.parametrize(
    ("size", "least", "epochs"),
    [(1000, 0, 30), (1000, 30_000, 30), (1000, 30_001, 31), (981, 100_000, 102), (3, 10, 30)],
)
def test_of_a_small_set_a_training_sees_as_many_images_as_of_a_large_one(size: int, least: int, epochs: int):
    member = registry.get("vgg_fer")
    found = long_enough(member, size, least)
    assert found.recipe.epochs == epochs and found.recipe.epochs * size >= least
    assert replace(found, recipe=member.recipe) == member
    part = override(member, ["recipe.epoch_images=100"])
    assert long_enough(part, 1000, 30_000).recipe.epochs == 300


def test_neither_a_publications_recipe_nor_the_users_own_epochs_are_changed(tmp_path: Path):
    paper = registry.get("mini_xception@paper")
    assert long_enough(paper, 10, 10**6) == paper

    def epochs(**options: Any) -> int:
        session = Session(Options("digits", members=("mlp",), results=tmp_path, **options))
        session.suite = replace(session.suite, least_images=10**6)
        [configuration] = session.configurations(session.folds[0])
        return configuration.member.recipe.epochs

    assert epochs() == math.ceil(10**6 / Session(Options("digits", results=tmp_path)).folds[0].targets.train_size)
    assert epochs(epochs=3) == 3
    assert epochs(changes=("recipe.epochs=4",)) == 4


def test_settings_of_the_user_that_change_nothing_are_named_and_share_the_configuration(tmp_path: Path):
    asked = Options("digits", members=("mlp", "lenet"), results=tmp_path)
    changed = replace(asked, changes=("recipe.labels.temperature=5", "recipe.augment.grayscale=0.1"))
    plain, given = Session(asked), Session(changed)
    assert given.without_effect() == [
        "mlp, lenet: recipe.labels.temperature has no effect: there is no labels.teacher",
        "mlp, lenet: recipe.augment.grayscale has no effect: the images are grey already",
    ]
    assert plain.without_effect() == []
    hashes = ([one.hash for one in session.configurations(session.folds[0])] for session in (plain, given))
    assert next(hashes) == next(hashes)


def test_a_session_has_one_fold_where_the_suite_has_none(tmp_path: Path):
    session = Session(Options("digits", results=tmp_path))
    (fold,) = session.folds
    assert fold.place == "" and session.folder == tmp_path / "digits"
    assert {one.seed for one in session.configurations(fold)} == {0}

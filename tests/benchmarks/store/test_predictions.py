"""The prediction store: what goes in comes out, and what cannot be trusted is named and not used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from benchmarks.data import Dataset, Split
from benchmarks.data.fingerprint import assemble
from benchmarks.execution.plan import inspect
from benchmarks.files import CannotWrite
from benchmarks.provenance import cpu_cores, device_name
from benchmarks.store.container import FORMAT, StoreError
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import FACES, HISTORY, PROVENANCE, stored_predictions
from tests.helpers.runs import files
from tests.helpers.small_disk import small_disk
from zoo import registry


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    return PredictionStore(tmp_path / "predictions")


def configuration(name: str = "mini_xception", seed: int = 0, data: str = "f" * 32) -> Configuration:
    return Configuration(registry.get(name), seed, data, len(FACES))


def changed(original: Configuration, **recipe: Any) -> Configuration:
    member = original.member
    return replace(original, member=replace(member, recipe=replace(member.recipe, **recipe)))


def test_logits_come_back_as_float32_rounded_to_float16(store: PredictionStore, faces: Targets):
    random = np.random.default_rng(3)
    val, test = (random.normal(size=(count, 7)).astype(np.float32) for count in (70, 84))
    saved = store.save(Predictions(configuration(), val, test, PROVENANCE), HISTORY)
    loaded = store.load(configuration(), faces)
    assert loaded is not None
    for name, given in (("val", val), ("test", test)):
        array = getattr(loaded, name)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, given.astype(np.float16))
        np.testing.assert_array_equal(array, getattr(saved, name), "a run must report what a later run will read")


def test_the_layout_in_memory_does_not_matter(store: PredictionStore, faces: Targets):
    val, test = (np.random.default_rng(3).normal(size=(7, count)).astype(np.float32).T for count in (70, 84))
    store.save(Predictions(configuration(), val, test, PROVENANCE), HISTORY)
    loaded = store.load(configuration(), faces)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.val, val.astype(np.float16))


def test_provenance_and_configuration_are_kept(store: PredictionStore, faces: Targets):
    stored_predictions(store, faces, "mini_xception", device="slide rule")
    loaded = store.load(configuration(), faces)
    assert loaded is not None
    expected = {**PROVENANCE, "device": "slide rule", "configuration": configuration().facts()}
    assert loaded.provenance == expected


def test_the_cores_recorded_are_those_that_torch_was_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    for threads, cores in (("1", 1), ("3,2", 3), ("9", 4), ("", 4), ("many", 4), ("0", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        assert cpu_cores() == cores
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert device_name("cpu").endswith(", 1 core")


def test_history_lies_beside_the_logits(store: PredictionStore, faces: Targets):
    stored_predictions(store, faces, "mini_xception")
    table = store.path(configuration()).with_suffix(".csv").read_text()
    assert table == "epoch,val_accuracy\n1,0.25\n2,0.333333\n"


def test_a_file_is_named_after_member_seed_and_hash(store: PredictionStore, faces: Targets):
    stored_predictions(store, faces, "mini_xception", seed=3)
    stem = f"mini_xception.s3.{configuration(seed=3).hash}"
    assert set(files(store.folder)) == {f"{stem}.safetensors", f"{stem}.csv"}


def test_the_hash_depends_on_all_that_decides_the_numbers_and_on_nothing_else():
    base = configuration()
    member = base.member
    variants = [
        replace(base, seed=1),
        replace(base, data="e" * 32),
        replace(base, num_classes=8),
        replace(base, member=replace(member, image_size=40)),
        replace(base, member=replace(member, init="imagenet")),
        replace(base, member=replace(member, params=1)),
        changed(base, epochs=99),
        changed(base, augment=replace(member.recipe.augment, flip=False)),
    ]
    assert len({base.hash, *(variant.hash for variant in variants)}) == 1 + len(variants)
    assert replace(base, member=replace(member, summary="other words", macs=1)).hash == base.hash


def test_a_failed_write_leaves_the_old_file_and_no_part_of_the_new_one(store: PredictionStore, faces: Targets):
    stored_predictions(store, faces, "mini_xception")
    before = files(store.folder)
    with small_disk(1000), pytest.raises(CannotWrite, match=r"mini_xception.*cannot be written.*free some space"):
        stored_predictions(store, faces, "mini_xception", device="other")
    after = files(store.folder)
    assert after == before


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_logits_that_float16_cannot_hold_are_refused_and_nothing_is_written(store: PredictionStore, value: float):
    val, test = np.zeros((70, 7), np.float32), np.zeros((84, 7), np.float32)
    test[5, 2] = value
    with pytest.raises(StoreError, match=r"mini_xception.*test"):
        store.save(Predictions(configuration(), val, test, PROVENANCE), HISTORY)
    assert files(store.folder) == {}


def test_what_is_not_there_is_none(store: PredictionStore, faces: Targets):
    assert store.load(configuration(), faces) is None
    assert stored_targets(store.folder) is None
    assert store.stale(configuration()) == []
    assert store.members() == []
    assert store.speed("mini_xception") is None


KNOWN = configuration().member
STALE = [
    (changed(configuration(), epochs=99), rf"recipe\.epochs was {KNOWN.recipe.epochs}, is 99"),
    (
        changed(configuration(), augment=replace(KNOWN.recipe.augment, erase=0.5)),
        rf"recipe\.augment\.erase was {KNOWN.recipe.augment.erase}, is 0\.5",
    ),
    (replace(configuration(), data="e" * 32), "data was f+, is e+"),
    (
        replace(configuration(), member=replace(KNOWN, image_size=40)),
        f"image_size was {KNOWN.image_size}, is 40",
    ),
]


@pytest.mark.parametrize(("wanted", "change"), STALE)
def test_a_stale_file_is_named_with_what_changed_and_is_not_used(
    store: PredictionStore, faces: Targets, wanted: Configuration, change: str
):
    stored_predictions(store, faces, "mini_xception")
    name = store.path(configuration()).name
    assert store.load(wanted, faces) is None
    (reason,) = store.stale(wanted)
    assert reason.startswith(f"{name} is stale: ")
    (step,), notes = inspect([wanted], store, faces)
    assert step.stored is None
    assert notes == [reason]
    assert store.path(configuration()).exists()
    assert re.search(f"stale: {change}$", reason), "one change, and nothing else"


def test_another_seed_is_not_stale(store: PredictionStore, faces: Targets):
    stored_predictions(store, faces, "mini_xception", seed=1)
    assert store.stale(configuration(seed=0)) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def garble(path: Path) -> None:
    path.write_bytes(b"not a safetensors file at all" * 9)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_foreign(path: Path) -> None:
    save_file({"val": np.zeros((70, 7), np.float16)}, path, {"format": "pt"})


def swap(path: Path) -> None:
    """The file of another seed under this name."""
    rewrite(path, configuration=configuration(seed=5).facts())


def shorten(path: Path) -> None:
    rewrite(path, test=np.zeros((83, 7), np.float16))


def drop_class(path: Path) -> None:
    rewrite(path, val=np.zeros((70, 6), np.float16))


def spoil(path: Path) -> None:
    logits = load_file(path)["val"]
    logits[3, 3] = np.nan
    rewrite(path, val=logits)


def lose_test(path: Path) -> None:
    rewrite(path, test=None)


def rewrite(path: Path, configuration: dict[str, Any] | None = None, **changes: np.ndarray | None) -> None:
    facts = configuration or Configuration(registry.get("mini_xception"), 0, "f" * 32, 7).facts()
    tensors = {name: array for name, array in {**load_file(path), **changes}.items() if array is not None}
    save_file(tensors, path, {"format": FORMAT, "json": json.dumps({**PROVENANCE, "configuration": facts})})


DAMAGES = [
    (cut, "damaged"),
    (garble, "damaged"),
    (empty, "damaged"),
    (make_foreign, "not written by this store"),
    (swap, "another configuration"),
    (shorten, r"test holds \[83, 7\], not \[84, 7\]"),
    (drop_class, r"val holds \[70, 6\], not \[70, 7\]"),
    (spoil, "val holds values that are no numbers"),
    (lose_test, "test holds nothing"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_a_file_that_cannot_be_trusted_is_refused_by_name(
    store: PredictionStore, faces: Targets, damage: Callable[[Path], None], message: str
):
    stored_predictions(store, faces, "mini_xception")
    path = store.path(configuration())
    damage(path)
    with pytest.raises(StoreError, match=rf"{path.name}: .*{message}"):
        store.load(configuration(), faces)
    (step,), (note,) = inspect([configuration()], store, faces)
    assert step.stored is None
    assert path.name in note


@pytest.mark.parametrize("damage", [cut, garble, empty, make_foreign])
def test_a_damaged_file_of_another_recipe_is_named_and_costs_nothing_else(
    store: PredictionStore, faces: Targets, damage: Callable[[Path], None]
):
    stored_predictions(store, faces, "mini_xception")
    damage(store.path(configuration()))
    (reason,) = store.stale(changed(configuration(), epochs=99))
    assert store.path(configuration()).name in reason
    assert store.speed("mini_xception") is None


def test_targets_are_kept_once_for_each_fingerprint(store: PredictionStore, dataset: Dataset, faces: Targets):
    save_targets(store.folder, faces)
    (path,) = store.folder.glob("targets.*")
    written = path.stat().st_mtime_ns
    save_targets(store.folder, faces)
    assert path.stat().st_mtime_ns == written
    save_targets(store.folder, Targets.of(dataset))
    assert len(list(store.folder.glob("targets.*"))) == 2


def test_targets_come_back_as_they_were(store: PredictionStore, dataset: Dataset):
    save_targets(store.folder, Targets.of(dataset))
    found = stored_targets(store.folder)
    assert found is not None
    np.testing.assert_array_equal(found.val, dataset.val.targets)
    np.testing.assert_array_equal(found.test, dataset.test.targets)
    assert (found.val.dtype, found.fingerprint, found.classes) == (np.int64, dataset.fingerprint, dataset.classes)
    assert found.train_size == len(dataset.train)


def test_images_in_two_splits_are_marked_by_their_pixels_whatever_their_labels(store: PredictionStore):
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4), dtype=np.uint8)
    images[6] = images[4] = images[1]
    images[9] = images[5]
    rows = {"train": slice(0, 4), "val": slice(4, 8), "test": slice(8, 12)}
    labels = np.arange(12) % 3
    splits = {
        name: Split(images[part], labels[part], [str(row) for row in labels[part]]) for name, part in rows.items()
    }
    data = assemble(splits, ("a", "b", "c"), "generated")
    targets = Targets.of(data)
    known = {bytes(image) for image in data.train.images}
    assert targets.val_in_train is not None and targets.val_in_train.sum() == 2
    assert [bytes(image) in known for image in data.val.images] == targets.val_in_train.tolist()
    assert targets.test_in_train is not None and not targets.test_in_train.any()
    assert targets.test_in_val is not None and targets.test_in_val.sum() == 1
    save_targets(store.folder, targets)
    found = stored_targets(store.folder)
    assert found is not None and found.overlaps().keys() == targets.overlaps().keys()
    for name, marks in targets.overlaps().items():
        np.testing.assert_array_equal(found.overlaps()[name], marks)


def test_targets_that_know_of_no_overlap_are_kept_until_some_do(store: PredictionStore, dataset: Dataset):
    known = Targets.of(dataset)
    ignorant = replace(known, val_in_train=None, test_in_train=None, test_in_val=None)
    for targets, count in ((ignorant, 0), (known, 3), (ignorant, 3)):
        save_targets(store.folder, targets)
        found = stored_targets(store.folder)
        assert found is not None and len(found.overlaps()) == count


def test_of_several_targets_those_with_most_predictions_count(store: PredictionStore, faces: Targets):
    for digit, members in (("a", 1), ("b", 3), ("c", 2)):
        targets = replace(faces, fingerprint=digit * 32)
        save_targets(store.folder, targets)
        for seed in range(members):
            stored_predictions(store, targets, "mini_xception", seed=seed)
    found = stored_targets(store.folder)
    assert found is not None
    assert found.fingerprint == "b" * 32


def test_damaged_targets_are_refused_by_name(store: PredictionStore, faces: Targets):
    save_targets(store.folder, faces)
    (path,) = store.folder.glob("targets.*")
    cut(path)
    with pytest.raises(StoreError, match=path.name):
        stored_targets(store.folder)


def test_members_and_seeds_are_read_from_names_alone(store: PredictionStore, faces: Targets):
    save_targets(store.folder, faces)
    for name, seed in (("vgg_fer", 0), ("vgg_fer", 12), ("mini_xception", 2)):
        stored_predictions(store, faces, name, seed=seed)
    (store.folder / "notes.txt").write_text("not ours")
    garble(store.folder / "vgg_fer.sX.0123456789ab.safetensors")
    assert store.members() == ["mini_xception", "vgg_fer"]
    assert store.seeds("vgg_fer") == [0, 12]
    assert store.seeds("mini_xception") == [2]
    assert store.seeds("resnet18") == []


def test_speed_is_that_of_any_readable_file_of_the_member(store: PredictionStore, faces: Targets):
    stored_predictions(store, faces, "mini_xception", seed=0, images_per_second=123.0)
    stored_predictions(store, faces, "mini_xception", seed=1, images_per_second=321.0)
    garble(store.path(configuration(seed=0)))
    speed = store.speed("mini_xception")
    assert speed is not None
    assert speed["images_per_second"] == 321.0
    assert store.speed("resnet18") is None

"""Stored predictions that were altered after they were written: loading refuses them, and so does `check`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save, save_file

from benchmarks.store.container import StoreError
from benchmarks.store.folds import stored_targets
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from tests.helpers.damage import TRIALS
from tests.helpers.runs import ROOT, cli
from zoo.sealed import Damaged, read, read_facts, seal, unseal

COMMITTED = ROOT / "results" / "fer2013" / "predictions"
MEMBER = "vgg_fer.s0.b40816527c50"

pytestmark = pytest.mark.usefixtures("nowhere_else")

Arrays = dict[str, Any]


def one_bit(arrays: Arrays, targets: Targets) -> Arrays:
    val = arrays["val"].copy()
    val.view(np.uint16)[1234, 3] ^= 1 << 13
    return {"val": val}


def zeros(arrays: Arrays, targets: Targets) -> Arrays:
    test = arrays["test"].copy()
    test[500:700] = 0
    return {"test": test}


def swapped(arrays: Arrays, targets: Targets) -> Arrays:
    return {"val": arrays["test"], "test": arrays["val"]}


def shuffled(arrays: Arrays, targets: Targets) -> Arrays:
    return {"val": arrays["val"][np.random.default_rng(0).permutation(len(arrays["val"]))]}


def put_right(count: int) -> Callable[[Arrays, Targets], Arrays]:
    """Turn so many wrong answers of test into right ones."""

    def alter(arrays: Arrays, targets: Targets) -> Arrays:
        test = arrays["test"].copy()
        wrong = np.flatnonzero(test.astype(np.float32).argmax(1) != targets.test)[:count]
        test[wrong, targets.test[wrong]] = test[wrong].max(1) + 1
        return {"test": test}

    return alter


ALTERATIONS = {
    "one bit": one_bit,
    "zeros": zeros,
    "val and test swapped": swapped,
    "rows shuffled": shuffled,
    "120 answers put right": put_right(120),
    "250 answers put right": put_right(250),
}


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    """A store with one committed member and its targets."""
    folder = tmp_path / "results" / "fer2013" / "predictions"
    folder.mkdir(parents=True)
    for path in (*COMMITTED.glob("targets.*"), *COMMITTED.glob(f"{MEMBER}.*")):
        shutil.copy(path, folder)
    return PredictionStore(folder)


def altered(store: PredictionStore, alter: Callable[[Arrays, Targets], Arrays], *, stripped: bool) -> Path:
    """Alter the member's arrays, and keep its header as it is, or without digests."""
    path = store.folder / f"{MEMBER}.safetensors"
    targets = stored_targets(store.folder)
    assert targets is not None
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    arrays = load_file(path)
    kept = {name: text for name, text in header.items() if not (stripped and name.endswith("_sha256"))}
    save_file({**arrays, **alter(arrays, targets)}, path, kept)
    return path


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_altered_predictions_are_refused_by_name(store: PredictionStore, alter: Callable[[Arrays, Targets], Arrays]):
    path = altered(store, alter, stripped=False)
    targets = stored_targets(store.folder)
    assert targets is not None
    with pytest.raises(StoreError, match=f"{MEMBER}.safetensors: .* not those that were written"):
        store.read(path, targets)
    checked = cli("check", store.folder.parents[1])
    assert checked.code == 2
    assert f"{MEMBER}.safetensors: is damaged" in checked.err and "Traceback" not in checked.err


@pytest.mark.parametrize("name", ["zeros", "rows shuffled", "250 answers put right"])
def test_without_digests_the_numbers_are_judged(store: PredictionStore, name: str):
    altered(store, ALTERATIONS[name], stripped=True)
    checked = cli("check", store.folder.parents[1])
    assert checked.code == 2
    said = {"zeros": "says nothing of 200 images", "rows shuffled": "where its training ended at"}
    assert said.get(name, "on test is above 6") in checked.err


def test_a_file_without_digests_is_read_and_said_to_have_none(store: PredictionStore):
    altered(store, lambda arrays, targets: {}, stripped=True)
    checked = cli("check", store.folder.parents[1])
    assert checked.code == 0
    assert f"{MEMBER}.safetensors: ok, as far as can be judged: it has no digests" in checked.out


def test_a_file_whose_digests_lost_their_names_is_no_older_one():
    small = seal(save({"w": np.zeros(2, np.float32)}, {"format": "a", "member": "net"}))
    random, end = np.random.default_rng(0), len(small) - 8
    for _ in range(50 * TRIALS):  # one of 3,000 such moves leaves a header that parses and names no digest
        places, copy = sorted(map(int, random.integers(8, end, 2))), bytearray(small)
        size = min(int(random.integers(1, 118)), end - places[1])
        for place, other in (places, places[::-1]):
            copy[place : place + size] = small[other : other + size]
        if copy != small:
            try:
                assert unseal(bytes(copy)).proven, bytes(copy)
            except Damaged:
                continue


def test_what_was_always_sealed_is_damaged_without_digests(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"w": np.zeros(2, np.float32)}, {"format": "a"}))
    assert not read(path).proven and read_facts(path) == {"format": "a"}
    for reader in (read, read_facts):
        with pytest.raises(Damaged, match="has no digests, or has lost them"):
            reader(path, always_sealed=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"val": np.full(3589, 9, np.uint8)}, "val holds classes beyond the 7"),
        ({"test": np.zeros((3589, 2), np.uint8)}, "test holds no classes"),
        ({"test_rows": np.zeros(3589, np.int32)}, "test_rows names a row of the data twice"),
        ({"val_in_train": np.full(3589, 3, np.uint8)}, "val_in_train holds other marks"),
        ({"val_rows": np.arange(5, dtype=np.int32)}, r"val_rows is of \[5\], val of 3589 images"),
    ],
)
def test_targets_that_cannot_be_are_refused_even_where_digests_are_right(
    store: PredictionStore, change: Arrays, said: str
):
    (path,) = store.folder.glob("targets.*")
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    save_file({**load_file(path), **change}, path, header)
    with pytest.raises(StoreError, match=r"(its arrays are|what it says of itself is) not .* written.*--data DIR"):
        stored_targets(store.folder)
    path.write_bytes(seal(path.read_bytes()))
    with pytest.raises(StoreError, match=f"{path.name}: {said}.*--data DIR"):
        stored_targets(store.folder)


def test_a_file_of_a_released_model_that_its_facts_do_not_describe_is_refused(store: PredictionStore):
    model = store.folder.parent / "model"
    model.mkdir()
    (model / "expression.onnx").write_bytes(b"a model")
    known = {"bytes": 7, "sha256": hashlib.sha256(b"a model").hexdigest()}
    (model / "model.json").write_text(json.dumps({"files": {"expression.onnx": known}}))
    checked = cli("check", store.folder.parents[1])
    assert checked.code == 0 and "model.json: ok, with expression.onnx" in checked.out
    (model / "expression.onnx").write_bytes(b"a modem")
    checked = cli("check", store.folder.parents[1])
    assert checked.code == 2 and "expression.onnx: is missing, or not the file that model.json describes" in checked.err


def test_every_committed_file_that_has_digests_is_as_it_was_written():
    checked = cli("check", ROOT / "results")
    assert checked.code == 0, checked.err
    assert "Traceback" not in checked.err

"""A start from what another suite's training has left: whose weights, for which classes, and what is said of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import suites
from benchmarks.data import DataOptions, Dataset
from benchmarks.data.derive import of_classes
from benchmarks.publish.trained import TrainedMember
from benchmarks.publish.weights import save_weights
from benchmarks.store.weights import read_weights, stored_members, weights_digest
from benchmarks.suites import digits as digits_suite
from tests.helpers.digits import stored_weights
from tests.helpers.runs import Outcome, cli
from zoo.sealed import seal, unseal

DIGITS = digits_suite.SUITES[0]
DIGITS_CLASSES = tuple("0123456789")
FEW = ("3", "1", "7")

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def few(options: DataOptions) -> Dataset:
    return of_classes(DIGITS.load(options), FEW)


@pytest.fixture
def results(tmp_path: Path, digits_run: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The digits run's results, and a suite `few` of three of its classes, whose images are others than in train."""
    other = replace(DIGITS, name="few", title="Few", members=("linear",), load=few)
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    shutil.copytree(digits_run[0], tmp_path / "results")
    return tmp_path / "results"


def run(results: Path, *options: object) -> Outcome:
    return cli("--suite", "few", "--results", results, "--train", "missing", "--ensemblers", "uniform", *options)


def members(results: Path) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads((results / "few" / "results.json").read_text())["members"]}


def test_members_start_from_what_they_learnt_on_the_other_suite(results: Path):
    done = run(results, "--members", "linear", "mlp", "--init-from", "digits", "--epochs", 1)
    assert done.code == 0, done.err
    cold = run(results, "--members", "linear", "mlp", "--epochs", 1)
    assert cold.code == 0, cold.err
    scratch = members(results)
    assert set(scratch) == {"linear", "mlp"}
    assert run(results, "--members", "*@from_digits", "--train", "never", "--epochs", 1).code == 0
    started = members(results)
    for name in scratch:
        row = started[f"{name}@from_digits"]
        assert row["init"] == "digits" and row["extra_data"] == "starts from weights trained on digits"
        assert row["val_accuracy"] > scratch[name]["val_accuracy"] and row["val_accuracy"] > 0.9  # after one epoch


def test_the_name_alone_says_the_same_and_the_digest_of_the_weights_is_kept(results: Path):
    assert run(results, "--members", "linear@from_digits", "--epochs", 1).code == 0
    (path,) = (results / "few" / "checkpoints").glob("linear@from_digits.s0.*.weights.safetensors")
    origin = read_weights(path).provenance["started_from"]
    assert origin == {"digits:linear.s0": weights_digest(stored_weights(results, "linear"))}
    again = run(results, "--members", "linear", "--init-from", "digits", "--epochs", 1)
    assert again.code == 0 and "epoch" not in again.out  # it is there already


@pytest.mark.parametrize("origin", ["digits", "digits:linear@muon", "digits:linear:1"])
def test_what_was_started_elsewhere_stays_on_the_board(results: Path, origin: str):
    """Its name says what it started from, so that a run which asks for nobody finds it as it is stored."""
    member, _, seed = origin.partition(":")[2].partition(":")
    given = ("--members", member or "linear", "--seeds", int(seed or 0), "--epochs", 1, "--train", "missing")
    if member:
        assert cli("--suite", "digits", "--results", results, "--ensemblers", "uniform", "--quiet", *given).code == 0
    done = run(results, "--members", "linear", "--init-from", origin, "--set", "recipe.epochs=30")
    assert done.code == 0, done.err
    names = lambda: {row["name"] for row in json.loads((results / "few" / "results.json").read_text())["members"]}  # noqa: E731
    (name,) = names()
    assert (
        cli("--suite", "few", "--results", results, "--ensemblers", "uniform", "--train", "never", "--quiet").code == 0
    )
    assert name in names()


def test_weights_of_another_member_are_named_and_have_to_be_of_its_architecture(results: Path):
    done = run(results, "--members", "linear", "--init-from", "digits:mlp", "--epochs", 1)
    assert done.code == 2 and "the two are of different architectures" in done.err
    unknown = run(results, "--members", "linear", "--init-from", "digits:mlpp")
    assert unknown.code == 2 and "did you mean mlp" in unknown.err


def release(results: Path, member: str, *, of: str = "") -> str:
    """Release a member of the digits run in 8 bits, as predictions whose name ends with `of`, and lose its weights;
    return the SHA-256 of what was released."""
    path = stored_weights(results, member)
    [one] = [one for one in stored_members(results / "digits") if one.name == member]
    weights, digest = read_weights(path).weights, weights_digest(path)
    model = results / "digits" / "model" / "model.safetensors"
    model.parent.mkdir(exist_ok=True)
    save_weights(model, TrainedMember(member, one, weights, digest, None), "digits", DIGITS_CLASSES, 1, limit=1)
    if of:
        content = model.read_bytes()
        model.write_bytes(seal(content.replace(one.hash.encode(), of.encode())))
    path.unlink()
    return unseal(model.read_bytes()).arrays


def test_released_weights_stand_in_for_those_that_are_gone(results: Path):
    """A fresh clone has none of our checkpoints, but the model that was released from one of them."""
    given = ("--members", "linear", "--init-from", "digits", "--epochs", 1)
    assert run(results, *given).code == 0
    (own,) = members(results).values()
    shutil.rmtree(results / "few")
    digest = release(results, "linear")
    done = run(results, *given)
    assert done.code == 0, done.err
    (row,) = members(results).values()
    assert row["extra_data"] == "starts from released weights trained on digits"
    assert abs(row["val_accuracy"] - own["val_accuracy"]) < 0.02  # 8 bits instead of 16
    (path,) = (results / "few" / "checkpoints").glob("linear@from_digits.s0.*.weights.safetensors")
    assert read_weights(path).provenance["started_from"] == {"digits:linear.s0": digest}


def test_the_released_model_of_another_training_does_not_stand_in(results: Path):
    release(results, "linear", of="0" * 12)
    done = run(results, "--members", "linear", "--init-from", "digits", "--epochs", 1)
    assert done.code == 2 and "linear@from_digits starts from linear, seed 0, of digits" in done.err


def test_no_weights_at_hand_is_an_error_with_the_command_that_makes_them(results: Path):
    stored_weights(results, "linear").unlink()
    for origin in ("digits", "elsewhere"):
        done = run(results, "--members", "linear", "--init-from", origin, "--epochs", 1)
        assert done.code == 2
        assert f"linear@from_{origin} starts from linear, seed 0, of {origin}" in done.err
        assert f"--suite {origin} --members linear --seeds 0 --train always" in done.err


def leaky(options: DataOptions) -> Dataset:
    """Three digits whose test images are those that the digits suite trains on."""
    data = few(options)
    return replace(data, test=data.train, train=data.test, fingerprint="c" * 32)


def test_a_test_split_that_the_weights_were_trained_on_is_refused(results: Path, monkeypatch: pytest.MonkeyPatch):
    other = replace(DIGITS, name="few", load=leaky)
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    done = run(results, "--members", "linear", "--init-from", "digits", "--epochs", 1)
    assert done.code == 2 and "stand in the training split of digits. Nothing can be learnt from that." in done.err

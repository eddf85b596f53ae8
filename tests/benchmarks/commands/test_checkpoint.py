"""Weights of an author, scored by the zoo's network: predictions are those of the network that they are of."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.helpers.digits import stored, stored_weights
from tests.helpers.runs import Outcome, cli

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture
def results(tmp_path: Path, digits_run: tuple[Path, Outcome]) -> Path:
    shutil.copytree(digits_run[0], tmp_path / "results")
    return tmp_path / "results"


def theirs(results: Path, path: Path, member: str = "linear") -> Path:
    """The weights of a member that was trained, as an author would publish them."""
    weights = {
        f"module.{name}": torch.from_numpy(np.array(value)) for name, value in weights_of(results, member).items()
    }
    torch.save({"net": weights, "best_acc": 97.0}, path)
    return path


def weights_of(results: Path, member: str) -> dict[str, np.ndarray]:
    return load_file(stored_weights(results, member))


def test_predictions_are_those_of_the_network_and_the_next_step_is_named(results: Path, tmp_path: Path):
    file = theirs(results, tmp_path / "theirs.pth")
    done = cli("checkpoint", "linear", file, "--suite", "digits", "--results", results)
    assert done.code == 0, done.err
    assert f"python benchmark.py add {tmp_path / 'theirs.npz'} --suite digits --name NAME" in done.out
    said = np.load(tmp_path / "theirs.npz")
    kept = load_file(stored(results, "linear"))
    for split in ("val", "test"):
        np.testing.assert_allclose(said[split], kept[split].astype(np.float32), atol=0.05)
    # As a file of predictions it is judged like any other: here it is a copy of a member that is there.
    check = cli("check", tmp_path / "theirs.npz", "--suite", "digits", "--results", results)
    assert check.code == 2 and "a duplicate adds nothing" in check.out + check.err


def test_weights_of_another_network_and_classes_of_another_suite_are_refused(results: Path, tmp_path: Path):
    file = theirs(results, tmp_path / "theirs.pth")
    other = cli("checkpoint", "mlp", file, "--suite", "digits", "--results", results)
    assert other.code == 2 and "theirs.pth does not fit mlp: the weights are those of another network" in other.err
    order = cli("checkpoint", "linear", file, "--suite", "digits", "--results", results, "--class-order", "angry,happy")
    assert order.code == 2 and "must name the suite's classes, each once" in order.err
    assert not (tmp_path / "theirs.npz").exists()

"""What is trained anew, what is only predicted anew, and what is left as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.formats import duration
from tests.helpers.digits import SIMPLE, digits, leaderboard, read, stored, stored_weights
from tests.helpers.runs import files

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.mark.usefixtures("no_figures")
def test_always_trains_anew_to_the_same_logits(digits_copy: Path):
    from safetensors.numpy import load_file

    path, weights = stored(digits_copy, "linear"), stored_weights(digits_copy, "linear")
    before = load_file(path)
    weights.write_bytes(b"to be replaced")
    done = digits(digits_copy, "--members", "linear", "--train", "always", *SIMPLE)
    assert "linear: val" in done.out
    assert weights.stat().st_size > 1000
    assert not list(weights.parent.glob("*.unreadable")), "they are not even looked at"
    assert all(np.array_equal(before[split], load_file(path)[split]) for split in before)


@pytest.mark.usefixtures("no_figures")
def test_other_views_at_test_time_need_no_training(digits_copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.training.loop.train", lambda *_, **__: pytest.fail("trained"))
    done = digits(digits_copy, "--members", "lenet", "lenet@scale_tta", "--train", "missing", *SIMPLE)
    assert done.code == 0
    results = read(digits_copy)
    plain, views = results["members"]
    assert (plain["tta"], views["tta"]) == ("none", "scale") and views["weights_of"] == "lenet.s0"
    assert plain["val_metrics"]["log_loss"] != views["val_metrics"]["log_loss"]
    assert views["train_seconds"] == plain["train_seconds"] and views["flops"] == 6 * plain["flops"]
    uniform = next(row for row in results["ensembles"] if row["name"] == "uniform")
    shared = 1  # the picture as it is, which is one of the six views
    assert len(uniform["members_used"]) == 2 and uniform["flops"] == (1 + 6 - shared) * plain["flops"]
    assert (uniform["params"], uniform["train_seconds"]) == (plain["params"], plain["train_seconds"]), "trained once"
    assert f"2 members, trained in {duration(plain['train_seconds'])}" in leaderboard(digits_copy)
    assert digits(digits_copy, "--members", "lenet@scale_tta", "--train", "always", *SIMPLE).code == 0


@pytest.mark.usefixtures("no_figures")
def test_weights_that_lie_there_are_not_trained_again(digits_copy: Path, monkeypatch: pytest.MonkeyPatch):
    from safetensors.numpy import load_file

    path = stored(digits_copy, "lenet")
    before = load_file(path)
    path.unlink()
    monkeypatch.setattr("zoo.training.loop.train", lambda *_, **__: pytest.fail("trained"))
    assert digits(digits_copy, "--members", "lenet", "--train", "missing", *SIMPLE).code == 0
    assert all(np.array_equal(before[split], load_file(path)[split]) for split in before)


@pytest.mark.usefixtures("one_figure")
def test_more_processes_change_no_byte(digits_copy: Path):
    before = files(digits_copy)
    assert digits(digits_copy, "--jobs", "2").code == 0
    assert files(digits_copy) == before

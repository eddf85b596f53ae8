"""Runs that end before they are done: the time budget, and an interrupt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch._dynamo  # the first optimizer imports it, which may take longer than the time budget of a test

from benchmarks import suites
from benchmarks.suites import digits as digits_suite
from tests.helpers.digits import SIMPLE, digits, names, read
from tests.helpers.runs import Outcome
from zoo import registry

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def test_a_spent_time_budget_keeps_the_state_and_the_next_run_goes_on(
    digits_copy: Path, add_member: Callable[[registry.Member], None]
):
    mlp = registry.get("mlp")
    add_member(replace(mlp, name="patient", recipe=replace(mlp.recipe, epochs=100_000)))
    options = ("--members", "linear", "patient", "--train", "missing", *SIMPLE)
    reached = []
    for seconds in (1, 4):  # a slow machine may need one of them to read what was saved
        done = digits(digits_copy, *options, "--time-budget", seconds)
        assert done.code == 0
        assert "patient: the time budget is spent; its state is saved" in done.out
        assert names(digits_copy) == ["linear"]
        (checkpoint,) = (digits_copy / "digits" / "checkpoints").glob("patient.s0.*.pt")
        state = torch.load(checkpoint, weights_only=True)["state"]
        reached.append((state["epoch"], state["step"], [row["val_loss"] for row in state["history"]]))
    assert reached[1][:2] > reached[0][:2] > (0, 0)
    assert reached[1][2][: len(reached[0][2])] == reached[0][2]


def test_a_spent_time_budget_starts_no_further_member(digits_copy: Path, add_member: Callable[[registry.Member], None]):
    mlp = registry.get("mlp")
    for name in ("patient", "queued"):
        add_member(replace(mlp, name=name, recipe=replace(mlp.recipe, epochs=100_000)))
    options = ("--members", "linear", "patient", "queued", "--train", "missing", "--time-budget", "1", *SIMPLE)
    assert digits(digits_copy, *options).code == 0
    reasons = {item["name"]: item["reason"] for item in read(digits_copy)["not_run"]}
    assert reasons["queued"] == "not started: the time budget is spent"
    assert not [*(digits_copy / "digits" / "checkpoints").glob("queued*")]


def test_ctrl_c_while_data_is_read_ends_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(data_dir: Path | None) -> None:
        raise KeyboardInterrupt

    suite = replace(digits_suite.SUITES[0], load=interrupt)  # type: ignore[arg-type]
    monkeypatch.setattr(suites, "suites", lambda: {"digits": suite})
    assert digits(tmp_path / "results", "--train", "missing") == Outcome(130, "", "Interrupted.\n")
    assert not (tmp_path / "results").exists()

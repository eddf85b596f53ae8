"""The whole chain on digits: what is trained, stored, written and shown, and that a second run changes nothing."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import ensembles
from tests.helpers.digits import DIGITS, SIMPLE, digits, names, read, stored, stored_weights
from tests.helpers.runs import ROOT, Outcome, files, undrawn
from zoo import registry

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("nowhere_else")


def test_a_first_run_trains_scores_and_reports(digits_run: tuple[Path, Outcome]):
    results, done = digits_run
    assert (done.code, done.err) == (0, "")
    assert names(results) == list(DIGITS)
    found = read(results)
    assert found["not_run"] == found["notes"] == []
    assert [row["name"] for row in found["ensembles"]] == ensembles.names()
    assert found["failed"] == []
    assert all(member["test_accuracy"] > 0.9 for member in found["members"])
    assert found["headline"] in ensembles.names()
    written = set(files(results / "digits"))
    assert {"leaderboard.md", "leaderboard.csv", "results.json", "figures/benchmark.png"} <= written
    assert "figures/benchmark.png" in (results / "digits" / "leaderboard.md").read_text()
    assert not [name for name in written if name.endswith((".pt", ".partial"))], "a finished training needs none"


def test_the_release_of_xgboost_is_named_beside_the_row_it_decides(digits_run: tuple[Path, Outcome]):
    import xgboost

    named = {row["name"]: row["library"] for row in read(digits_run[0])["ensembles"] if "library" in row}
    assert named == {"stack_xgboost": f"xgboost {xgboost.__version__}"}


def test_scores_are_those_of_the_stored_logits(digits_run: tuple[Path, Outcome]):
    from safetensors.numpy import load_file

    results = digits_run[0]
    (path,) = (results / "digits" / "predictions").glob("targets.*")
    targets = load_file(path)
    for member in read(results)["members"]:
        logits = load_file(stored(results, member["name"]))
        for split in ("val", "test"):
            accuracy = (logits[split].argmax(1) == targets[split]).mean()
            assert member[f"{split}_accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_predictions_carry_their_provenance(digits_run: tuple[Path, Outcome]):
    from safetensors import safe_open

    with safe_open(stored(digits_run[0], "lenet"), framework="numpy") as file:
        provenance = json.loads(file.metadata()["json"])
    assert provenance["configuration"]["name"] == "lenet"
    assert provenance["configuration"]["recipe"]["epochs"] == registry.get("lenet").recipe.epochs
    for key in (
        "device",
        "train_seconds",
        "images_per_second",
        "params",
        "macs",
        "tta",
        "libraries",
        "code",
        "created",
    ):
        assert provenance[key], key
    assert 1 <= provenance["best_epoch"] <= registry.get("lenet").recipe.epochs


def test_lines_without_a_terminal_are_plain(digits_run: tuple[Path, Outcome]):
    lines = digits_run[1].out.splitlines()
    assert "\x1b" not in digits_run[1].out
    done = [line.split(":")[0] for line in lines if "trained in" in line]
    assert done == [f"[{index}/4] {name}" for index, name in enumerate(DIGITS, start=1)]
    assert lines[-1].startswith("report: ")
    assert Path(lines[-1].removeprefix("report: ")).exists()


@pytest.mark.usefixtures("one_figure")
def test_a_second_run_trains_nothing_and_changes_no_byte(digits_copy: Path):
    before = files(digits_copy)
    done = digits(digits_copy)
    assert done.code == 0
    assert "trained in" not in done.out
    assert files(digits_copy) == before


@pytest.mark.usefixtures("no_figures")
def test_quiet_prints_nothing(digits_copy: Path):
    assert digits(digits_copy, "--quiet", *SIMPLE) == Outcome(0, "", "")


def test_quiet_still_prints_errors(tmp_path: Path):
    done = digits(tmp_path, "--quiet", "--train", "never")
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_a_terminal_gets_a_run_as_well(digits_copy: Path):
    stored(digits_copy, "linear").unlink()
    stored_weights(digits_copy, "linear").unlink()
    ours, theirs = pty.openpty()
    command = undrawn("--suite", "digits", "--results", digits_copy, "--train", "missing", *SIMPLE)
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        shown = b"".join(chunks(ours))
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert b"linear: val 9" in shown and b"report: " in shown


def chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:  # the other end has closed
            return
        if not chunk:
            return
        yield chunk


def test_a_reader_that_leaves_early_is_no_error(digits_copy: Path):
    command = undrawn("--suite", "digits", "--results", digits_copy, *SIMPLE)
    command.insert(1, "-u")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0

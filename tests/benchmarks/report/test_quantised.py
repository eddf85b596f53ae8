"""What the board says of quantised files, and that it says nothing where there are none of its members."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluation.quantised import quantised
from benchmarks.report.leaderboard import markdown
from benchmarks.report.sections.quantised import quantised_section
from tests.helpers.results import blank_results, member

FILE = {
    "stored": "int8",
    "bytes": 4_370_000,
    "val_accuracy": 0.69,
    "test_accuracy": 0.7075,
    "test_interval": [0.693, 0.722],
    "same_class": 0.998,
    "p": 0.25,
    "milliseconds": 6.9,
    "device": "abacus",
}


@pytest.fixture
def results() -> Any:
    files = [FILE, {**FILE, "stored": "int8-static", "test_accuracy": 0.705, "p": 0.0004, "milliseconds": 1.55}]
    row = member("tiny", 0, 0.71)
    return blank_results(members=[row], quantised={"row": "tiny", "files": files})


def test_each_file_stands_beside_its_row(results: Any):
    section = quantised_section(results)
    row, int8, static = section.splitlines()[-3:]
    assert row == "| float32, its row above | - | 69.00 | 71.00 | [69.6, 72.4] | - | - | - | - |"
    assert int8.startswith(
        "| int8 weights, float32 arithmetic | 4.37 MB | 69.00 | 70.75 | [69.3, 72.2] | -0.25 | 0.250 |"
    )
    assert static.startswith("| int8 weights and arithmetic |") and static.endswith("| < 0.001 | 99.80 | 1.6 |")
    assert "## What quantisation costs" in markdown(results) and "of 30 runs on abacus" in section


def test_a_board_without_a_released_model_says_nothing():
    assert quantised_section(blank_results()) == ""


def test_files_of_other_predictions_are_left_out(tmp_path: Path):
    row: Any = member("tiny", 0, 0.71, hash="0a1b")
    assert quantised(tmp_path, [row]) is None
    facts = {"row": {"name": "tiny"}, "members": [{"hash": "0a1b"}], "quantised": [FILE]}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps(facts))
    assert quantised(tmp_path, [row]) == {"row": "tiny", "files": [FILE]}
    other: Any = {**row, "hash": "ffff"}
    assert quantised(tmp_path, [other]) is None
    assert quantised(tmp_path, []) is None

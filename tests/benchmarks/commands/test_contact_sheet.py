"""Contact sheets: which images are on them, and where they go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import benchmark
from benchmarks import suites
from benchmarks.commands import contact_sheet
from benchmarks.data import DataOptions
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions
from tests.helpers.runs import ROOT

pytestmark = pytest.mark.usefixtures("nowhere_else")


def test_hard_and_doubtful_images_are_found():
    logits = np.zeros((3, 4, 3))
    logits[:, 0, 1] = 9  # all say 1 and are sure
    logits[:2, 1, 1] = 5  # two of three say 1
    logits[:, 2, 0] = 5  # right
    logits[:, 3, 2] = (0, 5, 5)  # one of three says 0, the label is 2
    targets = np.array([0, 0, 0, 2])
    opinions = contact_sheet.Opinions.of(logits, targets)
    assert contact_sheet.doubtful(opinions, targets, 3, 9).tolist() == [0, 1]
    assert contact_sheet.hardest(opinions, 2).tolist()[0] == 0
    assert opinions.votes.tolist()[:3] == [3, 2, 3]


def test_contact_sheets_go_where_git_does_not_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    targets = Targets.of(suites.get("digits").load(DataOptions()))
    store = PredictionStore(tmp_path / "digits" / "predictions")
    save_targets(store.folder, targets)
    stored_predictions(store, targets, "linear")
    arguments = ["--suite", "digits", "--results", str(tmp_path), "--images", "5"]
    assert benchmark.main(["contact-sheet", *arguments]) == 0
    assert {path.parent.name for path in map(Path, capsys.readouterr().out.split())} == {"local"}
    assert "results/*/local/" in (ROOT / ".gitignore").read_text().split()
    assert benchmark.main(["contact-sheet", *arguments[:-1], "0"]) == 2
    assert "argument --images: must be at least 1" in capsys.readouterr().err


def test_contact_sheets_need_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert benchmark.main(["contact-sheet", "--suite", "digits", "--results", str(tmp_path)]) == 2
    assert "no member of digits has predictions" in capsys.readouterr().err

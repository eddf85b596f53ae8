"""What views are worth: tables of networks that were trained anew, or that are not here, are left out by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation.evaluate import evaluate
from benchmarks.evaluation.metrics import accuracy, log_loss
from benchmarks.files import csv_text_of
from benchmarks.pipeline import SILENT, search_folds
from benchmarks.results import Results
from benchmarks.session import Options, Session
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from ensembles import softmax
from tests.helpers.generated import stored_predictions
from tests.helpers.runs import cli


def rows(model: Predictions, targets: Targets) -> list[dict[str, object]]:
    """What `tta` would have written of a member: its own views are those that it predicts by."""
    stem, own = model.configuration.stem, log_loss(softmax(model.val), targets.val)
    return [
        {"stem": stem, "tta": kind, "val_accuracy": f"{accuracy(model.val, targets.val):.6f}",
         "val_log_loss": f"{own + worse:.6f}", "seconds": "1.0"}
        for kind, worse in (("none", 0.02), ("flip", 0.0004 if worse_machine(model) else 0.0))
    ]  # fmt: skip


def worse_machine(model: Predictions) -> bool:
    """One of the two was measured where numbers are a little different."""
    return model.configuration.name == "vgg_fer"


@pytest.fixture
def board(tmp_path: Path, faces: Targets):
    store = PredictionStore(tmp_path / "fer2013" / "predictions")
    save_targets(store.folder, faces)

    def of(members: Sequence[Predictions]) -> Results:
        session = Session(Options("fer2013", results=tmp_path, ensemblers=("uniform",)))
        (searched,) = search_folds(session, [list(members)], SILENT)
        return evaluate(session.suite, searched, tmp_path, not_run=[], notes=[])

    return store, of


def test_views_of_networks_trained_anew_and_of_those_that_left_are_named(tmp_path: Path, faces: Targets, board):
    store, of = board
    names = ("vgg_fer", "resnet18", "mini_xception")
    before = [stored_predictions(store, faces, name, skill=2.0) for name in names]
    table = [row for model in before for row in rows(model, faces)]
    (tmp_path / "fer2013" / "tta.csv").write_text(csv_text_of(table))
    stems = [model.configuration.stem for model in before]

    def told(results: Results) -> tuple[set[str], list[str]]:
        shown = {stem for views in results["views"] for stem in views["members"]}
        return shown, [note for note in results["notes"] if note.startswith("tta.csv")]

    assert told(of(before)) == (set(stems), [])
    assert "tta.csv: ok" in cli("check", tmp_path / "fer2013").out
    anew = stored_predictions(store, faces, "resnet18", skill=2.05)
    assert np.abs(log_loss(softmax(anew.val), faces.val) - log_loss(softmax(before[1].val), faces.val)) > 1e-3
    shown, notes = told(of([before[0], anew]))
    assert shown == {stems[0]}
    assert len(notes) == 1 and stems[1] in notes[0] and stems[2] in notes[0] and stems[0] not in notes[0]
    checked = cli("check", tmp_path / "fer2013")
    assert checked.code == 2 and f"tta.csv: left out, trained anew since or not here: {stems[1]}" in checked.err

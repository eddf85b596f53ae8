"""A store of many members is listed a few times a run, not a few times a member."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.execution import tasks
from benchmarks.session import Options, Session
from benchmarks.store import folds, predictions
from benchmarks.store.file_names import member_files, prediction_files
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every time that a folder of predictions is listed."""
    found: list[Path] = []

    def prediction_files_seen(folder: Path) -> list[Path]:
        found.append(folder)
        return prediction_files(folder)

    def member_files_seen(folder: Path, member: str, seed: int | None = None) -> list[Path]:
        found.append(folder)
        return member_files(folder, member, seed)

    for module in (predictions, folds):
        monkeypatch.setattr(module, "prediction_files", prediction_files_seen)
    monkeypatch.setattr(predictions, "member_files", member_files_seen)
    return found


@pytest.mark.parametrize("seeds", [1, 6])
def test_members_do_not_each_list_the_folder(seeds: int, tmp_path: Path, faces: Targets, listings: list[Path]):
    """Also where their predictions are of other data, and each is asked for what there is of it."""
    store = PredictionStore(tmp_path / "results" / "fer2013" / "predictions")
    save_targets(store.folder, faces)
    for seed in range(seeds):
        for name in ("vgg_fer", "mini_xception"):
            stored_predictions(store, replace(faces, fingerprint="e" * 32) if seed % 2 else faces, name, seed=seed)
    session = Session(Options(results=tmp_path / "results", members=("vgg_fer", "mini_xception"), train="never"))
    rows, _ = tasks.schedule(session)
    assert len(rows) == 2 * seeds
    assert len(listings) <= 3


def test_one_listing_says_what_many_say(tmp_path: Path, faces: Targets):
    store = PredictionStore(tmp_path)
    for name, seed in (("vgg_fer", 0), ("vgg_fer", 3), ("resnet18", 0)):
        stored_predictions(store, faces, name, seed=seed)

    def answers() -> list[object]:
        speeds = [store.speed(name) for name in ("vgg_fer", "mlp")]
        return [store.members(), store.seeds("vgg_fer"), store.seeds("mlp"), store.prediction_files(), speeds]

    afresh = answers()
    with store.listed_once():
        assert answers() == afresh
        stored_predictions(store, faces, "mini_xception")
        assert answers() == afresh, "what others write meanwhile is not seen"
    assert "mini_xception" in store.members()

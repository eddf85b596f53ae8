"""What is said of stored predictions that do not serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.data.known import KNOWN
from benchmarks.execution.plan import inspect
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from tests.helpers.generated import stored_predictions
from zoo import registry
from zoo.overrides import override

OFFICIAL, SWAPPED = list(KNOWN)[:2]
MEMBERS = ("vgg_fer", "resnet18", "mini_xception", "resnet_fer")


def wanted(data: str, *changes: str) -> list[Configuration]:
    return [Configuration(override(registry.get(name), list(changes)), 0, data, 7) for name in MEMBERS]


def test_predictions_of_other_data_are_told_in_one_sentence_by_its_name(tmp_path: Path, faces: Targets):
    official = replace(faces, fingerprint=OFFICIAL)
    store = PredictionStore(tmp_path)
    for name in MEMBERS[:3]:
        stored_predictions(store, official, name)
    steps, notes = inspect(wanted(SWAPPED), store, replace(faces, fingerprint=SWAPPED))
    assert notes == ["3 members have predictions of FER2013; this is FER2013 with PublicTest and PrivateTest swapped"]
    assert [step.reason for step in steps] == ["its predictions are of FER2013"] * 3 + ["no stored predictions"]
    _, notes = inspect(wanted("e" * 32), store, replace(faces, fingerprint="e" * 32))
    assert notes == ["3 members have predictions of FER2013; this is data eeeeeeeeeeee"]


def test_other_recipes_and_single_files_are_told_one_by_one(tmp_path: Path, faces: Targets):
    official = replace(faces, fingerprint=OFFICIAL)
    store = PredictionStore(tmp_path)
    for name in MEMBERS[:2]:
        stored_predictions(store, official, name)
    _, notes = inspect(wanted(SWAPPED, "recipe.epochs=2"), store, replace(faces, fingerprint=SWAPPED))
    assert len(notes) == 2 and all("recipe.epochs was" in note and f"data was {OFFICIAL}" in note for note in notes)
    _, notes = inspect(wanted(SWAPPED)[:1], store, replace(faces, fingerprint=SWAPPED))
    (note,) = notes
    assert note.startswith("vgg_fer.s0.") and note.endswith(f"is stale: data was {OFFICIAL}, is {SWAPPED}")
    assert inspect(wanted(OFFICIAL)[:2], store, official)[1] == []

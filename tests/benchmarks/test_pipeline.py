"""How val is divided for cross-fits: in five folds, by groups where there are any, in fewer where there is less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import pipeline
from benchmarks.rerun.fits import Validation
from benchmarks.store.targets import Targets
from tests.helpers.generated import FACES


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the search was asked for: its folds and groups."""
    found: dict[str, Any] = {}

    class Fits:
        predict = None

        def __init__(self, data: Validation, *_: object, **options: object) -> None:
            found.update(folds=data.folds, groups=data.groups)

        def search(self, *_: object) -> list[Any]:
            return []

        def predict_ahead(self, *_: object) -> None:
            pass

    monkeypatch.setattr(pipeline, "KnownFits", Fits)
    monkeypatch.setattr(pipeline, "member_labels", lambda predictions: [])
    monkeypatch.setattr(pipeline, "scored_models", lambda *_: [])
    return found


def targets(count: int, groups: np.ndarray | None = None) -> Targets:
    labels = np.arange(count) % 7
    return Targets(labels, labels, "f" * 32, FACES, 100, val_groups=groups)


@pytest.mark.parametrize(
    ("count", "people", "folds", "grouped"),
    [
        (70, None, 5, False),
        (5, None, 5, False),
        (4, None, 4, False),
        (2, None, 2, False),
        (70, 30, 5, True),
        (70, 3, 3, True),
        (70, 1, 5, False),
    ],
)
def test_folds_fit_the_images_and_the_groups(
    count: int, people: int | None, folds: int, grouped: bool, asked: dict[str, Any]
):
    of_val = targets(count, None if people is None else np.arange(count, dtype=np.int32) % people)
    suite = SimpleNamespace(extra_labels=None)
    options = SimpleNamespace(fresh=False, method_seconds=None)
    session: Any = SimpleNamespace(
        suite=suite, ensemblers=["uniform"], jobs=lambda size: 1, folder=Path(), options=options, folds=[None]
    )
    fold: Any = SimpleNamespace(targets=of_val)
    logits = np.zeros((count, 7), dtype=np.float32)
    predictions: Any = SimpleNamespace(val=logits, test=logits, provenance={})
    pipeline.search_fold(session, fold, [predictions])
    assert asked["folds"] == folds
    assert (asked["groups"] is not None) == grouped
    if grouped:
        np.testing.assert_array_equal(asked["groups"], of_val.val_groups)


def test_targets_know_their_groups():
    assert replace(targets(9), val_groups=np.arange(9, dtype=np.int32)).extras().keys() == {"val_groups"}


def test_one_reason_for_many_members_is_said_once():
    session: Any = SimpleNamespace(suite=SimpleNamespace(name="s"), options=SimpleNamespace(train="never", source=""))
    missing: Any = [{"name": f"m{number % 8}", "reason": "its predictions are of FER2013"} for number in range(20)]
    missing += [{"name": name, "reason": "no stored predictions"} for name in ("this", "that", "this")]
    message = pipeline._nothing(session, missing)
    assert message.splitlines()[1:-1] == [
        "  m0, m1, m2, m3, m4 and 3 more: its predictions are of FER2013",
        "  this: no stored predictions",
        "  that: no stored predictions",
    ]

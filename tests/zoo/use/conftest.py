"""Fixtures of several test files: a small model, and a recogniser whose detector finds made-up faces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.bundles import write_bundle
from tests.helpers.marked_faces import MarkedFaces
from zoo.use import detectors
from zoo.use.recognizer import Recognizer


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file that says how bright a face is."""
    return write_bundle(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a detector of made-up faces."""
    monkeypatch.setitem(detectors._factories, "marked", lambda say, threads: MarkedFaces())
    return "marked"


@pytest.fixture
def recognise(model: Path, marked: str) -> Recognizer:
    """Finds made-up faces and says how bright they are."""
    return Recognizer(model, faces=marked, threads=1)

"""The examples of the READMEs that use a model on pictures run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.helpers.bundles import write_bundle
from tests.helpers.marked_faces import MarkedFaces, picture
from tests.helpers.runs import ROOT
from zoo.use import detectors, recognizer

Capture = pytest.CaptureFixture[str]
EXAMPLES = [
    example
    for readme in ("README.md", "zoo/README.md")
    for example in re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(), re.DOTALL)
    if "zoo.use" in example
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recognizer, "RELEASED", Path("expression.onnx"))
    monkeypatch.setattr(detectors, "best", lambda say, threads: MarkedFaces())
    write_bundle(tmp_path / "expression.onnx")
    (tmp_path / "holiday").mkdir()
    for name in ("party.jpg", "holiday/beach.jpg"):
        Image.fromarray(picture([(100, 100, 90)])).save(tmp_path / name, "PNG")
    names: dict[str, Any] = {}
    exec(example, names)
    assert "flat" in capsys.readouterr().out


def test_there_are_two():
    assert len(EXAMPLES) == 2

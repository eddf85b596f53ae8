"""The benchmark of use on pictures: our figures with a made-up model, and a stand-in that speaks as deepface does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.speed import use
from benchmarks.speed.records import Record
from tests.helpers.bundles import write_bundle

STAND_IN = '''"""Stands for deepface: each picture takes 30 ms."""
import json, sys, time
print("a line that is no answer")
print("ANSWER " + json.dumps({"trained": False, "seconds": 0.5}), flush=True)
for line in sys.stdin:
    pictures = json.loads(line)["pictures"]
    time.sleep(0.03 * len(pictures))
    print("ANSWER " + json.dumps({"seconds": 0.03 * len(pictures), "since_start": 60.0}), flush=True)
'''


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer crops and frames."""
    monkeypatch.setattr(use, "CROPS", 12)
    monkeypatch.setattr(use, "SHOWN_TO_PEER", 2)
    monkeypatch.setattr(use, "FRAMES", 3)


def figures(tmp_path: Path, *more: str) -> dict[str, use.Comparison]:
    path = tmp_path / "use.json"
    model = ["--model", str(write_bundle(tmp_path / "model.onnx")), "--faces", "cropped"]
    assert use.main([*model, "--pictures", "20", "--repeats", "1", "--json", str(path), *more]) == 0
    return {row.what: row for row in Record.read(path).comparisons}


def test_our_figures_need_no_peer(tmp_path: Path, few: None, capsys: pytest.CaptureFixture[str]):
    rows = figures(tmp_path)
    assert rows["a picture of 512 x 600, one face (1 found)"].unit == "s"
    assert rows["12 crops of 48 x 48 in a folder"].target == 300.0
    assert 0 < rows["import and open the model"].ours < rows["first answer since the import"].ours
    assert rows["resident memory after 20 pictures"].ours > 0
    assert not any(row.peer for row in rows.values())
    assert "deepface is left out" in capsys.readouterr().out


def test_deepface_works_on_the_same_files(
    tmp_path: Path, few: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "deepface_side.py").write_text(STAND_IN)
    monkeypatch.setattr(use, "__file__", str(tmp_path / "use.py"))
    rows = figures(tmp_path, "--deepface", sys.executable)
    assert "deepface has random weights" in capsys.readouterr().out
    one = rows["a picture of 512 x 600, one face (1 found)"]
    assert one.theirs is not None and one.theirs >= 0.03 and one.target == 8.0
    crops = rows["12 crops of 48 x 48 in a folder"]
    assert crops.theirs is not None and 5 < crops.theirs < 34 and crops.target == 20.0
    assert rows["first answer since the import"].theirs == 60.0


def test_a_peer_that_says_nothing_is_told(tmp_path: Path, few: None, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "deepface_side.py").write_text("")
    monkeypatch.setattr(use, "__file__", str(tmp_path / "use.py"))
    with pytest.raises(SystemExit, match="deepface ended without an answer"):
        figures(tmp_path, "--deepface", sys.executable)

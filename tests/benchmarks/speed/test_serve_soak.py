"""The soak test of the service, with few requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.speed import serve_soak
from benchmarks.speed.records import Record
from tests.helpers.bundles import write_bundle

for package in ("fastapi", "uvicorn", "python_multipart"):
    pytest.importorskip(package)


def test_it_counts_answers_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_bundle(tmp_path / "model.onnx")
    Image.new("L", (48, 48), 90).save(tmp_path / "crop.jpg")
    files = ["--model", str(tmp_path / "model.onnx"), "--picture", str(tmp_path / "crop.jpg")]
    few = ["--requests", "40", "--clients", "4", "--faces", "cropped", "--json", str(tmp_path / "soak.json")]
    assert serve_soak.main([*files, *few]) in (0, 1), "so few requests say nothing of growth"
    assert "  40 times 200\n" in capsys.readouterr().out
    memory, _ = Record.read(tmp_path / "soak.json").comparisons
    assert memory.unit == "GB" and 0.01 < memory.ours < 2

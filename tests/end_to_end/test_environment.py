"""What a shell or a notebook hands down must not decide whether a run ends well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.runs import PATIENCE, ROOT


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no backend at all"])
def test_figures_are_drawn_whatever_backend_is_exported(stored_results: Path, backend: str):
    done = subprocess.run(
        [sys.executable, "benchmark.py", "--suite", "fer2013", "--ensemblers", "uniform", "--results", stored_results],
        cwd=ROOT,
        env={**os.environ, "MPLBACKEND": backend, "BENCHMARK_DATA": str(stored_results / "nowhere")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert list((stored_results / "fer2013" / "figures").glob("*.png"))

"""What a shell or a notebook hands down must not decide whether a run ends well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.runs import PATIENCE, ROOT

ONE_FIGURE = """
import sys, benchmark
from benchmarks.report import figures
every = figures.charts
figures.charts = lambda *known: {name: chart if name == "size" else None for name, chart in every(*known).items()}
assert "matplotlib" not in sys.modules, "it is imported with what is exported"
sys.exit(benchmark.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no backend at all"])
def test_figures_are_drawn_whatever_backend_is_exported(stored_results: Path, backend: str):
    asked = ["--suite", "fer2013", "--ensemblers", "uniform", "--results", str(stored_results)]
    done = subprocess.run(
        [sys.executable, "-c", ONE_FIGURE, *asked],
        cwd=ROOT,
        env={**os.environ, "MPLBACKEND": backend, "BENCHMARK_DATA": str(stored_results / "nowhere")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (stored_results / "fer2013" / "figures").glob("*.png")] == ["size.png"]

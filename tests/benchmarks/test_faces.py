"""What `import benchmarks` offers, and the examples of benchmarks/README.md."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from tests.helpers.runs import ROOT, python

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "benchmarks" / "README.md").read_text(), re.DOTALL)


def test_importing_it_costs_nothing():
    code = "import sys, benchmarks; print(sorted({'numpy', 'torch', 'benchmarks.pipeline'} & set(sys.modules)))"
    assert python("-c", code).stdout.strip() == "[]"


def test_its_names_are_there_and_no_other():
    assert set(benchmarks.__all__) <= set(dir(benchmarks))
    assert all(getattr(benchmarks, name) for name in benchmarks.__all__)
    assert callable(benchmarks.run) and "digits" in benchmarks.suites.suites()
    with pytest.raises(AttributeError, match="no attribute 'runs'"):
        benchmarks.runs  # noqa: B018


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures: None):
    monkeypatch.setattr(benchmarks, "Options", partial(benchmarks.Options, results=tmp_path), raising=False)
    assert EXAMPLES
    for example in EXAMPLES:
        names: dict[str, Any] = {}
        exec(example, names)
        assert names["results"]["suite"] == "digits"
    assert (tmp_path / "digits" / "leaderboard.md").exists()

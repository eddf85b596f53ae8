"""ensembles/README.md: its examples run, and its tables say what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import ensembles
from ensembles import registry
from ensembles.base import COSTS
from ensembles.readme import PAPERS, README, rewritten

TEXT = README.read_text(encoding="utf-8")
EXAMPLE, MODEL_SELECTION, NEW_FILE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_tables_are_those_of_the_code():
    assert rewritten(TEXT) == TEXT, "run `python -m ensembles.readme`"


def test_a_stale_table_is_seen_and_a_missing_one_told():
    assert rewritten(TEXT.replace("Greedy selection", "Greedy choice")) == TEXT
    with pytest.raises(ValueError, match="no table between <!-- methods --> and <!-- /methods -->"):
        rewritten(TEXT.replace("<!-- /methods -->", ""))


def test_every_method_has_a_row():
    rows = re.findall(r"^\| `(\w+)` \|.*\]\(https://.*\) \|$", TEXT, re.MULTILINE)
    assert rows == ensembles.names()


@pytest.mark.parametrize("name", ensembles.names())
def test_every_method_says_its_cost_and_when_to_use_it(name: str):
    kind = ensembles.get(name)
    assert kind.cost in COSTS
    assert 20 < len(kind.use_when) <= 85 and not kind.use_when.endswith(".") and "|" not in kind.use_when
    assert [other for other in ensembles.names() if ensembles.get(other).use_when == kind.use_when] == [name]
    assert kind.reference.partition(":")[0] in PAPERS
    assert set(re.findall(r"`(\w+)`", kind.use_when)) <= set(ensembles.names())


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(EXAMPLE, found)
    exec(MODEL_SELECTION, found)
    assert found["scores"].shape == (5,) and found["grid"].best_params_["steps"] in (5, 25, 50)
    assert found["probabilities"].shape == (500, 7) and found["classes"].shape == (500,)
    assert found["accuracy"] > 0.5
    logits = found["logits"]
    assert found["same"].predict_proba(logits).tobytes() == found["headline"].ensembler.predict_proba(logits).tobytes()


def test_the_new_file_is_an_ensembler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    module = ModuleType("ensembles.median")
    monkeypatch.setitem(sys.modules, "ensembles.median", module)  # dataclass looks its module up
    exec(NEW_FILE, vars(module))
    logits = np.random.default_rng(0).normal(size=(3, 50, 4))
    targets = np.arange(50) % 4
    fitted = ensembles.Median().fit(logits, targets)
    expected = np.median(ensembles.softmax(logits), axis=0)
    np.testing.assert_allclose(fitted.predict_proba(logits), expected / expected.sum(axis=1, keepdims=True), atol=1e-5)
    ensembles.save(fitted, tmp_path / "median")
    assert ensembles.load(tmp_path / "median") == fitted
    assert "| `median` | Median (`Median`) | none |" in rewritten(TEXT)
    (found,) = ensembles.search(logits, targets, ["median"])
    assert found.error is None
    with pytest.raises(ValueError, match="least must be positive"):
        ensembles.create("median", least=0).fit(logits, targets)


def test_the_package_does_not_import_the_command():
    code = "import sys, ensembles; assert 'ensembles.readme' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=README.parents[1], check=True)

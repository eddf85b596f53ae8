import os
import subprocess
import sys
from pathlib import Path

import pytest

from ensembles.stacking_xgboost import XGBOOST_ALONE

ROOT = Path(__file__).resolve().parents[2]
FITTED = """
import sys
import numpy as np
from ensembles import get
logits = np.random.default_rng(0).normal(size=(2, 60, 3))
get("stack_xgboost")().fit(logits, np.arange(60) % 3).predict_proba(logits)
"""


def said(code: str, alone: str) -> str:
    pytest.importorskip("xgboost")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), XGBOOST_ALONE: alone}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_processes_that_use_trees_alone_do_without_scikit_learn():
    after = f"{FITTED}\nprint('sklearn' in sys.modules)\nimport sklearn\nprint(sklearn.__version__ > '')"
    assert said(after, alone="1").split() == ["False", "True"]


def test_scikit_learn_that_is_there_stays():
    before = (
        f"import sklearn{FITTED}\nimport xgboost\nprint(sys.modules['sklearn'] is sklearn, xgboost.XGBClassifier())"
    )
    assert said(before, alone="1").startswith("True XGBClassifier")


def test_other_processes_have_all_of_xgboost():
    assert said(f"{FITTED}\nimport xgboost\nprint(xgboost.XGBClassifier())", alone="").startswith("XGBClassifier")


def test_the_program_is_such_a_process_and_a_caller_of_it_is_not():
    run = "import os, sys, benchmark\nsys.argv = ['benchmark.py', 'list']\nbenchmark.main({})"
    told = f"{run}\nprint(repr(os.environ['{XGBOOST_ALONE}']))"
    assert said(told.format(""), alone="").split()[-1] == "'1'"
    assert said(told.format("['list']"), alone="").split()[-1] == "''"

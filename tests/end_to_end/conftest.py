"""Fixtures of whole runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.runs import Outcome


@pytest.fixture
def digits_copy(digits_run: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A results folder with everything stored, to do harm to."""
    return Path(shutil.copytree(digits_run[0], tmp_path / "results"))

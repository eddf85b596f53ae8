"""Runs that are killed cost nothing: two of them here, 500 by `make kills`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.kills import Kills

pytestmark = [
    pytest.mark.usefixtures("nowhere_else", "no_figures"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that begin where this one is"),
]


def test_runs_that_are_killed_lose_nothing_and_leave_nothing(tmp_path: Path):
    kills = Kills(tmp_path / "kills", ("adding",))
    for number in (1, 7):  # one dies at a change of the disk, one at a moment
        kills.trial(number)

"""Several containers that write one folder: each numbers its processes from 1, and has the name of the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.runs import PATIENCE, ROOT

CONTAINER = ("unshare", "--pid", "--net", "--fork", "--mount-proc")
SECONDS = 1


def containers_are_possible() -> bool:
    try:
        return subprocess.run([*CONTAINER, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not containers_are_possible(), reason="only root may make namespaces")
def test_two_containers_that_hammer_one_path_lose_and_tear_nothing(tmp_path: Path):
    command = [*CONTAINER, sys.executable, "-m", "tests.helpers.hammer", str(tmp_path), str(SECONDS)]
    both = [subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=PATIENCE)[0]) for one in both]
    assert [one["process"] for one in said] == [1, 1], "they cannot tell each other by their numbers"
    assert [(one["errors"], one["torn"]) for one in said] == [(0, 0), (0, 0)]
    assert sum(one["created"] for one in said) == 1
    assert all(one["written"] and one["read"] and one["replaced"] for one in said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["created", "published", "written"]

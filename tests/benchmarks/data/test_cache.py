"""Decoded data sets: taken from the cache, read anew where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions
from tests.helpers.pictures import picture_bytes
from tests.helpers.runs import cli

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Forty pictures in two folders, all of one size in bytes, so that one may take another's place."""
    root = tmp_path / "faces"
    for name in ("happy", "sad"):
        (root / name).mkdir(parents=True)
        for number in range(20):
            content = picture_bytes(f"{name}{number}", 8)
            (root / name / f"{number}.png").write_bytes(content + bytes(2000 - len(content)))
    return root


def changed_unseen(root: Path) -> None:
    """Put another picture in the place of one, of as many bytes, and of the same time."""
    path = root / "happy" / "3.png"
    before, content = path.stat(), picture_bytes("another", 8)
    path.write_bytes(content + bytes(2000 - len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def fingerprint(root: Path, *, cached: bool = True) -> str:
    return suites.get("folder").read(DataOptions(root, cached=cached)).fingerprint


def test_pixels_changed_with_size_and_time_kept_are_read_where_the_cache_is_not_asked(faces: Path):
    before = fingerprint(faces)
    changed_unseen(faces)
    assert fingerprint(faces) == before, "from the cache: nothing tells that the file is another"
    anew = fingerprint(faces, cached=False)
    assert anew != before
    assert fingerprint(faces) == anew, "what was read stands in the cache now"
    assert fingerprint(faces, cached=False) == anew


def test_the_option_reads_anew_and_applies_only_to_what_is_cached(faces: Path, tmp_path: Path):
    command = ("plan", "--suite", "folder", "--data", faces, "--results", tmp_path / "results")
    before = cli(*command)
    changed_unseen(faces)
    assert cli(*command, "--no-cache").code == before.code == 0
    assert fingerprint(faces) == fingerprint(faces, cached=False)
    with pytest.raises(DataError, match="--no-cache does not apply to the suite digits"):
        suites.get("digits").read(DataOptions(cached=False))

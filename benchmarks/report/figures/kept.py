"""Figures that need not be drawn again: a record of what decided them, and of the files that came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.digests import code, digest, libraries
from benchmarks.files import write_atomic
from benchmarks.report.epochs import History
from benchmarks.results import Results

CODE = (
    "benchmarks/report/figures",
    "benchmarks/report/epochs.py",
    "benchmarks/results",
    "benchmarks/formats.py",
    "benchmarks/text.py",
)


def decisive(results: Results, histories: Mapping[str, History]) -> str:
    """Return a digest of all that decides the figures: results, histories of training, code, libraries."""
    return digest([json.dumps(results), json.dumps(histories), code(*CODE), libraries()])


def still_there(folder: Path, decided_by: str) -> list[Path]:
    """Return the files of figures in `folder`, which is results/<suite>, where they are those that this decides."""
    try:
        record = json.loads(_record(folder).read_text(encoding="utf-8"))
        paths = {folder / name: content for name, content in record["files"].items()}
        same = record["decided_by"] == decided_by
        return list(paths) if same and all(_content(path) == content for path, content in paths.items()) else []
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []  # they are drawn


def keep(folder: Path, decided_by: str, paths: list[Path]) -> list[Path]:
    """Keep what decided these files for `still_there`; return them."""
    files = {str(path.relative_to(folder)): _content(path) for path in paths}
    write_atomic(_record(folder), json.dumps({"decided_by": decided_by, "files": files}))
    return paths


def _record(folder: Path) -> Path:
    return folder / "local" / "figures.json"


def _content(path: Path) -> str:
    return digest([path.read_bytes()])

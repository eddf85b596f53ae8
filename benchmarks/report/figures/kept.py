"""Figures that need not be drawn again: a record of what decided each of them, and of the files that came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.digests import code, digest, libraries
from benchmarks.files import write_atomic
from benchmarks.report.figures.style import Chart

CODE = (
    "benchmarks/report/figures",
    "benchmarks/report/epochs.py",
    "benchmarks/results",
    "benchmarks/formats.py",
    "benchmarks/text.py",
)

Record = dict[str, dict[str, Any]]
"""By a figure's name: what it is `decided_by`, and its `files`, a digest of the content by path below the folder."""


def decisive(charts: Mapping[str, Chart]) -> dict[str, str]:
    """Return, by the names of figures, a digest of all that decides each: what it shows, code, libraries."""
    for_all = digest([code(*CODE), libraries()])
    return {name: digest([for_all, _shown(chart)]) for name, chart in charts.items()}


def still_there(folder: Path, decided_by: Mapping[str, str]) -> Record:
    """Return of the figures in `folder`, which is results/<suite>, those that are what this decides."""
    try:
        record = json.loads(_record(folder).read_text(encoding="utf-8"))
        return {name: kept for name, kept in record.items() if _is_there(folder, kept, decided_by.get(name))}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return {}  # they are drawn


def described(folder: Path, decided_by: str, paths: list[Path]) -> dict[str, Any]:
    """Return what the record says of a figure that was drawn."""
    files = {path.relative_to(folder).as_posix(): _content(path) for path in paths}
    return {"decided_by": decided_by, "files": files}


def keep(folder: Path, record: Record) -> None:
    """Keep the record for `still_there`."""
    write_atomic(_record(folder), json.dumps(record))


def _is_there(folder: Path, kept: dict[str, Any], decided_by: str | None) -> bool:
    files = {folder / name: content for name, content in kept["files"].items()}
    same = kept["decided_by"] == decided_by
    return same and all(path.is_file() and _content(path) == content for path, content in files.items())


def _shown(chart: Chart) -> str:
    """Return all that a chart shows, as text: charts are partial functions of nothing but that."""
    draw = chart.draw
    if not isinstance(draw, partial):
        raise TypeError(f"the chart {chart.title!r} must be drawn by a partial function of what it shows")
    name = f"{draw.func.__module__}.{draw.func.__qualname__}"
    return json.dumps([chart.title, chart.alt, name, draw.args, draw.keywords], default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        return [[field.name, getattr(value, field.name)] for field in fields(value)]
    raise TypeError(f"no text for {type(value).__name__} in a chart")


def _record(folder: Path) -> Path:
    return folder / "local" / "figures.json"


def _content(path: Path) -> str:
    return digest([path.read_bytes()])

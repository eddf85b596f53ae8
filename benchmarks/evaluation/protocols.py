"""The same images under another protocol: what the other suite reports for the same members, and why they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.results import TRAINED_ALIKE, headline_row, member_rows
from benchmarks.suites.suite import Contrast


def contrast(meant: Contrast, folder: Path) -> dict[str, Any]:
    """`contrast` of the results of a suite: what the other one, a sibling in the results `folder`, has reported; no
    rows where it has not run."""
    path = folder / meant.suite / "results.json"
    found: dict[str, Any] = {"suite": meant.suite, "difference": meant.difference, "split": None, "rows": []}
    if not path.is_file():
        return found
    other = json.loads(path.read_text(encoding="utf-8"))
    members = zip(other["members"], member_rows(other), strict=True)
    rows = [
        {**{key: member.get(key) for key in TRAINED_ALIKE}, **_scores(row.accuracy, row.ci_low, row.ci_high)}
        for member, row in members
    ]
    chosen = headline_row(other)
    if chosen is not None:
        rows.append({"name": None, "title": chosen.title, **_scores(chosen.accuracy, chosen.ci_low, chosen.ci_high)})
    return {**found, "split": other["splits"]["test"]["name"], "rows": rows}


def _scores(accuracy: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"accuracy": accuracy, "interval": None if low is None or high is None else [low, high]}

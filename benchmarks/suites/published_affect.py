"""Published valence and arousal of a suite: `suites/published/affect/<name>.csv`, read as it stands.

Scores are those of affect_section.py, empty where a source has none. `remark` says what decides whether a row compares.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from benchmarks.evaluation.metrics import DIMENSIONS
from benchmarks.report.sections import affect as affect_section
from benchmarks.suites import published_results as published

FOLDER = published.FOLDER / "affect"
SCORES = tuple(f"{dimension}_{name}" for dimension in DIMENSIONS for name in affect_section.SCORES)
COLUMNS = ("method", "year", "split", *SCORES, "source", "seen", "remark")


def read_published_affect(suite: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The rows in the order of the file, scores as floats or None; empty where the suite has no such file.

    Raises ValueError naming the line that is no such row.
    """
    path = folder / f"{suite}.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: columns are {reader.fieldnames}, expected {list(COLUMNS)}")
        return [_parse(line, f"{path}:{reader.line_num}") for line in reader]


def _parse(line: dict[str, str], where: str) -> dict[str, Any]:
    try:
        numbers = {name: float(line[name]) if line[name] else None for name in SCORES}
        parsed = {**line, **numbers, "year": int(line["year"])}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: not a published result: {error!r}") from error
    if line["seen"] not in published.SEEN or not any(number is not None for number in numbers.values()):
        raise ValueError(f"{where}: needs a score, and a 'seen' of {published.SEEN}")
    return parsed

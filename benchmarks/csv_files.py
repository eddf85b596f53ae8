"""Rows of text in a CSV file that grows as measurements come."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from benchmarks.files import write_atomic

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """The rows so far."""
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []


def write(path: Path, rows: Sequence[Row]) -> None:
    """All rows, one at least, in their order; columns are those of the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())

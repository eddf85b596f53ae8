"""The training histories beside the stored predictions: a CSV a member and seed, a line an epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

History = dict[str, list[float]]


def history_path(member: Mapping[str, Any], predictions: Path) -> Path | None:
    """Where the history of a member of the results lies in a suite's predictions; None for one without seed or hash."""
    if member.get("seed") is None or not member.get("hash"):
        return None
    return predictions / f"{member['name']}.s{member['seed']}.{member['hash']}.csv"


def read_history(path: Path | None) -> History:
    """Columns of a training history; empty where there is none. Raises ValueError where the file holds no numbers."""
    if path is None or not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no training history ({error}); remove it or restore it") from error

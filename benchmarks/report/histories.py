"""The training histories beside the stored predictions: a CSV a member and seed, and fold, a line an epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

History = dict[str, list[float]]


def history_paths(member: Mapping[str, Any], predictions: Path) -> list[Path]:
    """Where the histories of a member of the results lie in a suite's predictions: one, or one a fold; none of a model
    without seed or hash."""
    if member.get("seed") is None or not member.get("hash"):
        return []
    hashes = member.get("folds") or [member["hash"]]
    return [predictions / f"{member['name']}.s{member['seed']}.{one}.csv" for one in hashes]


def member_history(member: Mapping[str, Any], predictions: Path) -> History:
    """Columns of a member's training history, of folds the mean over them, as far as the shortest goes; empty where
    there is none. Raises ValueError where a file holds no numbers."""
    found = [read_history(path) for path in history_paths(member, predictions)]
    if len(found) < 2:
        return found[0] if found else {}
    shared = [name for name in found[0] if all(name in history for history in found)]
    return {
        name: [fmean(values) for values in zip(*(history[name] for history in found), strict=False)] for name in shared
    }


def read_history(path: Path) -> History:
    """Columns of a training history; empty where there is none. Raises ValueError where the file holds no numbers."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: is no training history ({error}); remove it or restore it") from error

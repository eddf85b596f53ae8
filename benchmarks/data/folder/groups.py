"""What keeps images together in one split, such as the person they show: from their names, or from a table."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError
from benchmarks.data.text_table import read_columns

COLUMNS = ("file", "group")


def read_groups(what: str, root: Path, files: Sequence[str]) -> np.ndarray:
    """Return the group of each file, str [N]; `files` are paths below `root`, with forward slashes.

    what  a CSV with the columns file and group, or a regular expression whose one group is searched in the paths

    Raises DataError naming the first file without a group, or with two.
    """
    if Path(what).is_file() or what.lower().endswith(".csv"):
        return _from_table(Path(what), files)
    return _from_names(what, root, files)


def _from_names(what: str, root: Path, files: Sequence[str]) -> np.ndarray:
    try:
        pattern = re.compile(what)
    except re.error as error:
        raise DataError(f"--groups {what!r}: no regular expression ({error}), and no file of that name.") from error
    if pattern.groups != 1:
        raise DataError(
            f"--groups {what!r}: {pattern.groups} groups in parentheses; one is needed around what names the group, "
            r"as in '(subject\d+)'. A table of groups is a CSV with the columns file and group."
        )
    found = [match[1] if (match := pattern.search(file)) else None for file in files]
    missing = [file for file, group in zip(files, found, strict=True) if group is None]
    if missing:
        raise DataError(
            f"--groups {what!r}: not found in {missing[0]}, the first of {len(missing):,} of {len(files):,} images "
            f"below {root} without a group."
        )
    return np.array(found, dtype=str)


def _from_table(path: Path, files: Sequence[str]) -> np.ndarray:
    groups: dict[str, tuple[str, int]] = {}  # of a file: its group, and the line that says so
    for line, (file, group) in read_columns(path, COLUMNS):
        if not group:
            continue
        known, first = groups.setdefault(_composed(file), (group, line))
        if known != group:
            raise DataError(f"{path}: {file} is of the group {known} in line {first} and of {group} in line {line}.")
    missing = [file for file in files if _composed(file) not in groups]
    if missing:
        raise DataError(
            f"{path}: no group of {missing[0]}, the first of {len(missing):,} of {len(files):,} images without one. "
            "Files are named by their paths below --data, with forward slashes."
        )
    return np.array([groups[_composed(file)][0] for file in files], dtype=str)


def _composed(file: str) -> str:
    """Spell a path as most computers do: macOS stores letters and accents apart."""
    return unicodedata.normalize("NFC", file)

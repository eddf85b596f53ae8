"""Files of the project: written whole or not at all, and tables of text as CSV, one way for all of them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

CsvRow = dict[str, str]


class CannotWrite(OSError):
    """A file that cannot be written; the message names it, the reason, and what to do."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason, full = error.strerror or str(error), error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space" if full else "choose a folder that you may write to"
        super().__init__(
            f"{path} cannot be written: {reason}. What was there before is unchanged. To go on, {advice}, or name "
            "another folder of results by --results; what is finished there is not done again"
        )


def replace_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` with a draft's path, then put the draft at `path`; the old file stays whole until the new one is.

    Raises CannotWrite.
    """
    # The process id keeps two runs apart; in the same folder, on one file system, the final rename is atomic.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(draft)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(path, error) from error


def check_writable(folder: Path) -> None:
    """Raise CannotWrite where no file can be written into the folder, or into the one that it would be made in."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise CannotWrite(folder, error) from error


def write_atomic(path: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `path`, making its folder."""
    replace_atomically(path, lambda draft: draft.write_bytes(content.encode() if isinstance(content, str) else content))


def rounded(value: Any) -> Any:
    """Round floats anywhere in lists and dicts to six decimals: later digits differ from processor to processor."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value


def json_text(value: Any) -> str:
    """Return JSON that diffs well: an object has one line per key, an array of plain values one line in all."""
    return _json(value, "") + "\n"


def _json(value: Any, margin: str) -> str:
    inner = margin + " "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key)}: {_json(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        return "[\n" + ",\n".join(inner + _json(part, inner) for part in value) + f"\n{margin}]"
    return json.dumps(value)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV table as text: a head of `columns`, one line per row, line feeds as line ends; None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def csv_text_of(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the CSV table of `rows`, one at least, under the keys of the first; raise ValueError where keys differ."""
    columns = list(rows[0])
    for row in rows:
        if row.keys() != rows[0].keys():
            raise ValueError(f"rows of a table differ in their columns: {columns} and {list(row)}")
    return csv_text(columns, ([row[column] for column in columns] for row in rows))


def read_csv(path: Path) -> list[CsvRow]:
    """Return the rows of a CSV table as text by column; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))

"""Files of rows that grow while pictures are read: JSON lines, CSV, parquet.

JSON lines and CSV are written picture by picture: a run that is killed leaves whole lines, and the same command with
`--resume` goes on behind them. Parquet has its index at the end, so its file appears when all is done.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zoo.use.rows import Row, columns

JSON_LINES, CSV, PARQUET = ".jsonl", ".csv", ".parquet"
FORMATS = (JSON_LINES, CSV, PARQUET)
FORMULA = re.compile("'*[=+@-]")
ROW_GROUP = 4096  # rows of parquet that are held until they are written


class Output(Protocol):
    """Takes rows; `done` holds the sources whose rows an earlier run has written already."""

    done: set[str]

    def write(self, rows: Iterable[Row]) -> None:
        """Add the rows of a picture."""

    def close(self, complete: bool) -> None:
        """End the file; `complete` is whether all rows have come."""


def open_output(path: Path, classes: Sequence[str], resume: bool = False) -> Output:
    """Return what writes a file; raise ValueError where it cannot be written, or cannot be gone on with."""
    check_output(path, resume)
    names = columns(classes)
    if path.suffix == PARQUET:
        return Parquet(path, names)
    text = TextFormat("", '{"source": "', json_text, json_rows) if path.suffix == JSON_LINES else csv_format(names)
    return Lines(path, text, resume)


def check_output(path: Path, resume: bool = False) -> None:
    """Raise ValueError where a file cannot be written; nothing is written by asking."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: --out ends in one of {', '.join(FORMATS)}")
    if path.suffix == PARQUET and resume:
        raise ValueError(f"{path}: --resume goes on with .jsonl and .csv; parquet is written at the end")
    if path.suffix == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise ValueError(f"{path}: parquet needs pyarrow (pip install pyarrow); .jsonl and .csv need nothing")
    folder = existing_folder(path)
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise ValueError(f"{path}: cannot be written")


def existing_folder(path: Path) -> Path:
    """Return the folder that a file would lie in, or the nearest one above it that exists."""
    return next(folder for folder in path.absolute().parents if folder.exists())


# Text


@dataclass(frozen=True)
class TextFormat:
    """How rows are written, below which head, and how the source and the first byte of each row are found again.

    `start` is what every file begins with.
    """

    head: str
    start: str
    text: Callable[[Iterable[Row]], str]
    rows: Callable[[bytes], Iterator[tuple[str, int]]]


def json_text(rows: Iterable[Row]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_rows(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield the source of each row and where the row begins; raise ValueError where a line is no row."""
    start = 0
    for line in content.splitlines(keepends=True):
        try:
            yield json.loads(line)["source"], start
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError("--resume: the file holds other rows than this run would write") from error
        start += len(line)


def csv_format(names: Sequence[str]) -> TextFormat:
    """Return the CSV of some columns."""

    def text(rows: Iterable[Row]) -> str:
        written = io.StringIO()
        table = csv.writer(written, lineterminator="\n")
        table.writerows([_plain(row[name]) for name in names] for row in rows)
        return written.getvalue()

    def rows(content: bytes) -> Iterator[tuple[str, int]]:
        start = len(head.encode())
        for line in content[start:].splitlines(keepends=True):
            try:
                yield _source(next(csv.reader([line.decode()]))[0]), start
            except (ValueError, csv.Error, IndexError) as error:
                raise ValueError("--resume: the file holds other rows than this run would write") from error
            start += len(line)

    head = ",".join(names) + "\n"
    return TextFormat(head, head, text, rows)


def _plain(value: Any) -> Any:
    """A value as CSV writes it: lists with spaces between, truth as true and false, and before text that a spreadsheet
    would compute an apostrophe."""
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, str) and FORMULA.match(value):
        return f"'{value}"
    return str(value).lower() if isinstance(value, bool) else value


def _source(cell: str) -> str:
    """The name of a source in a cell."""
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


class Lines:
    """A file of text, to which a picture's rows are added at once."""

    def __init__(self, path: Path, form: TextFormat, resume: bool) -> None:
        self.form, self.done = form, set[str]()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._kept(path.read_bytes()) if resume and path.exists() else 0
        self.file = path.open("r+b" if kept else "wb", buffering=0)
        self.file.truncate(kept)
        self.file.seek(kept)
        if not kept:
            self._add(form.head)

    def _kept(self, content: bytes) -> int:
        """How many bytes of an earlier file stay: all before the last source, whose rows may not all be there."""
        start = self.form.start.encode()
        if content[: len(start)] != start[: len(content)]:
            raise ValueError("--resume: the file holds other rows than this run would write")
        found = list(self.form.rows(content[: content.rfind(b"\n") + 1]))
        last = found[-1][0] if found else ""
        self.done = {source for source, _ in found} - {last}
        return next((start for source, start in found if source == last), 0)

    def write(self, rows: Iterable[Row]) -> None:
        """Add the rows of a picture."""
        self._add(self.form.text(rows))

    def _add(self, text: str) -> None:
        content = memoryview(text.encode())
        while content:  # the system may take a part
            content = content[self.file.write(content) or 0 :]

    def close(self, complete: bool) -> None:
        """End the file."""
        self.file.close()


# Parquet


class Parquet:
    """Parquet, as a draft beside its place until it is complete."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        import pyarrow.parquet

        self.path, self.done = path, set[str]()
        self.draft = path.with_name(f".{path.name}.{os.getpid()}")
        self.waiting: list[Row] = []
        self.schema = _schema(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writer = pyarrow.parquet.ParquetWriter(self.draft, self.schema)

    def write(self, rows: Iterable[Row]) -> None:
        """Add the rows of a picture."""
        self.waiting += rows
        if len(self.waiting) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        self.writer.write_table(pyarrow.Table.from_pylist(self.waiting, schema=self.schema))
        self.waiting = []

    def close(self, complete: bool) -> None:
        """Put the file at its place where it is complete, else remove it."""
        if complete and self.waiting:
            self._flush()
        self.writer.close()
        if complete:
            os.replace(self.draft, self.path)
        else:
            self.draft.unlink()


def _schema(names: Sequence[str]) -> Any:
    import pyarrow

    kinds = {
        **dict.fromkeys(("source", "faces", "expression", "error"), pyarrow.string()),
        **dict.fromkeys(("frame", "face", "track"), pyarrow.int64()),
        **dict.fromkeys(("plausible", "doubts"), pyarrow.list_(pyarrow.string())),
        "abstained": pyarrow.bool_(),
    }
    return pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in names])

"""Small tables that users write: CSV in the forms that spreadsheets give it, and what is wrong where it is none."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.data.errors import DataError, first_line, shortened

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
DELIMITERS = (",", ";", "\t")  # a spreadsheet takes the second where the comma parts decimals
LARGEST = 2**27  # bytes of a table; that of FER+ has two millions
WINDOWS = "cp1252"  # what Excel writes as plain CSV in Western Europe and America


def read_text(path: Path) -> str:
    """Read a file in UTF-8, in UTF-16 with its mark, or else in Windows' own encoding.

    Raises DataError where it is none of these, OSError where it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no regular file.")
    if (size := path.stat().st_size) > LARGEST:
        raise DataError(f"{path}: has {size / 2**20:,.0f} MiB, and a table here at most {LARGEST >> 20}.")
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        try:
            text = data.decode(WINDOWS)
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise DataError(f"{path}, line {line}: is not UTF-8. Save the table as CSV UTF-8.") from error
    if "\0" in text:
        raise DataError(f"{path}: holds zero bytes, as no CSV in UTF-8 does. Save the table as CSV UTF-8.")
    return text


def read_columns(path: Path, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line and its cells in the columns of these names; an empty cell where a line is too
    short.

    Columns are parted by commas, semicolons or tabs, whatever the header shows. Raises DataError naming the columns
    that are missing and those that are there, and as `read_text` does.
    """
    lines = read_lines(path, names)
    _, columns = next(lines, (1, []))
    missing = [name for name in names if name not in columns]
    if missing:
        raise DataError(
            f"{path}: has no column {' and '.join(missing)}; its columns are {shortened(', '.join(columns))}; "
            f"{' and '.join(names)} are needed."
        )
    places = [columns.index(name) for name in names]
    for line, cells in lines:
        yield line, [cells[place].strip() if place < len(cells) else "" for place in places]


def read_lines(path: Path, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line, the header first; its columns of these names show the delimiter."""
    text = read_text(path)
    delimiter = delimiter_of(text.partition("\n")[0], names)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for number, cells in enumerate(reader):
            yield reader.line_num, cells if number else [cell.strip() for cell in cells]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: cannot be read ({first_line(error)}).") from error


def delimiter_of(header: str, names: Sequence[str]) -> str:
    """Return the delimiter that shows most of these names in a header line; else a comma."""

    def found(delimiter: str) -> int:
        return len(set(names) & {cell.strip().strip('"').strip() for cell in header.strip().split(delimiter)})

    return max(DELIMITERS, key=found)

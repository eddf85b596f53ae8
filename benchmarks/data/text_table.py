"""Small tables that users write: CSV in the forms that spreadsheets give it, and what is wrong where it is none."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.data.errors import DataError, shortened

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
DELIMITERS = (",", ";", "\t")  # a spreadsheet takes the second where the comma parts decimals
WINDOWS = "cp1252"  # what Excel writes as plain CSV in Western Europe and America


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, in UTF-16 with its mark, or else in Windows' own encoding.

    Raises DataError where it is none of these, OSError where it cannot be read.
    """
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
    """The number of each line, and its cells in the columns of these names; an empty cell where a line is too short.

    Columns are parted by commas, semicolons or tabs, whatever the header shows. Raises DataError naming the columns
    that are missing and those that are there, and as `read_text` does.
    """
    text = read_text(path)
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=lambda one: len(set(names) & set(_cells(header, one))))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [cell.strip() for cell in next(reader, [])]
    missing = [name for name in names if name not in columns]
    if missing:
        raise DataError(
            f"{path}: has no column {' and '.join(missing)}; its columns are {shortened(', '.join(columns))}; "
            f"{' and '.join(names)} are needed."
        )
    places = [columns.index(name) for name in names]
    for cells in reader:
        yield reader.line_num, [cells[place].strip() if place < len(cells) else "" for place in places]


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]

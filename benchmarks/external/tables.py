"""Tables of predictions, csv and parquet: a line an image, a column a class.

A table of a few megabytes may unfold to gigabytes. So its size, and the number of its rows and columns, are judged by
what is expected before it is read, and texts of parquet are read as the few different ones that they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.expressions import expression, suggestion
from benchmarks.data.memory import arrow_within
from benchmarks.external.incoming import SPLITS, Expected, Incoming, ignored, integers
from benchmarks.text import told

LEAST_BYTES, ROW_BYTES = 2**22, 2**13  # a table may have so many, and so many more for each image that is expected
LONGEST_HEAD = 2**16  # characters of the names of the columns
MOST_ROWS = 4  # for each image that is expected: with fewer, the message says which split has too many
LONGEST_TEXT = 100  # bytes of the name of a split, or of a number as text


def read_csv(path: Path, expected: Expected) -> Incoming:
    """Read a csv file; raise ValueError saying what is not as it has to be."""
    from pyarrow import ArrowException, csv

    _check_bytes(path.stat().st_size, expected)
    with path.open("rb") as file:
        if len(file.readline(LONGEST_HEAD + 1)) > LONGEST_HEAD:
            raise ValueError(f"its first line has more than {LONGEST_HEAD:,} characters, and should name the columns")
    try:
        return _of_table(csv.read_csv(path), expected)
    except (ArrowException, OSError) as error:
        raise ValueError(f"cannot be read as csv ({error})") from error


def read_parquet(path: Path, expected: Expected) -> Incoming:
    """Read a parquet file; raise ValueError saying what is not as it has to be."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            used = [names[place] for place in _columns(names, expected.classes).values()]
        with ParquetFile(path, read_dictionary=used) as file:
            about = file.metadata
            _check_rows(about.num_rows, expected)
            # Of the groups as wholes: to ask a damaged file for the sizes of single columns aborts the process.
            sizes = [about.row_group(place).total_byte_size for place in range(about.num_row_groups)]
            _check_bytes(sum(sizes), expected)
            with arrow_within():
                table = file.read(use_threads=False)
            return _of_table(table, expected)
    except (ArrowException, OSError) as error:
        raise ValueError(f"cannot be read as parquet ({error})") from error


def _check_bytes(size: int, expected: Expected) -> None:
    most = LEAST_BYTES + ROW_BYTES * sum(expected.counts.values())
    if size > most:
        raise ValueError(f"holds {size / 2**20:,.0f} MiB, and {most >> 20:,} at most are a table of these predictions")


def _check_rows(count: int, expected: Expected) -> None:
    images = sum(expected.counts.values())
    if count > MOST_ROWS * images:
        raise ValueError(f"holds {count:,} rows, and {expected.title('val')} and {expected.title('test')} {images:,}")


def _of_table(table: Any, expected: Expected) -> Incoming:
    _check_rows(table.num_rows, expected)
    columns = _columns(table.column_names, expected.classes)
    values = np.stack([_numbers(table[columns[name.lower()]], name) for name in expected.classes], axis=1)
    ids = integers("id", table[columns["id"]].to_numpy()) if "id" in columns else None
    split = _split_of_rows(_texts(table[columns["split"]], "split"), expected.split_names)
    rows = {name: np.flatnonzero(split == index) for index, name in enumerate(SPLITS)}
    others = [name for place, name in enumerate(table.column_names) if place not in columns.values()]
    return Incoming(
        {name: values[chosen] for name, chosen in rows.items()},
        {name: None if ids is None else ids[chosen] for name, chosen in rows.items()},
        expected.classes,
        ignored("column", others),
    )


def _columns(names: Sequence[str], classes: tuple[str, ...]) -> dict[str, int]:
    """Find where each column that has a meaning stands, by its name in lower case; of an expression, by any name."""
    usual = {expression(name): name.lower() for name in classes}
    columns = [usual.get(expression(name), name.strip().lower()) for name in names]
    needed = [name.lower() for name in ("split", *classes)]
    for name in needed:
        if name not in columns:
            near = suggestion(name, [other for other in columns if other not in (*needed, "id")])
            raise ValueError(f"has no column {name!r}.{near} Its columns are {told(', '.join(names))}")
    twice = [name for name, count in Counter(columns).items() if count > 1 and name in (*needed, "id")]
    if twice:
        raise ValueError(f"has two columns {twice[0]!r}")
    return {name: columns.index(name) for name in (*needed, "id") if name in columns}


def _numbers(column: Any, name: str) -> np.ndarray:
    import pyarrow as pa

    try:
        if pa.types.is_dictionary(column.type):
            parts = [chunk.dictionary.cast(pa.float64()).take(chunk.indices) for chunk in column.chunks]
            column = pa.chunked_array(parts, pa.float64())
        return column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise ValueError(f"column {name!r} holds what is no number ({error})") from error


def _texts(column: Any, name: str) -> list[Any]:
    """Return a column of short texts; raise ValueError where it holds long ones, of which there may be one in each
    row."""
    import pyarrow as pa
    import pyarrow.compute

    parts = [chunk.dictionary if pa.types.is_dictionary(column.type) else chunk for chunk in column.chunks]
    if any(pa.types.is_nested(part.type) for part in parts):
        raise ValueError(f"column {name!r} holds {told(str(column.type))}; text is needed")
    for part in parts:
        text = pa.types.is_string(part.type) or pa.types.is_large_string(part.type) or pa.types.is_binary(part.type)
        if text and (pa.compute.max(pa.compute.binary_length(part)).as_py() or 0) > LONGEST_TEXT:
            raise ValueError(f"column {name!r} holds texts of more than {LONGEST_TEXT} characters")
    return column.to_pylist()


def _split_of_rows(names: Sequence[Any], split_names: Mapping[str, str]) -> np.ndarray:
    """Return the index in SPLITS of every row's split."""
    known = {alias.lower(): index for index, name in enumerate(SPLITS) for alias in (name, split_names[name])}
    splits = [known.get(str(name).strip().lower(), -1) for name in names]
    if -1 in splits:
        row = splits.index(-1)
        meant = " or ".join(f"{name} ({split_names[name]})" for name in SPLITS)
        raise ValueError(f"row {row + 1}: split is {names[row]!r}, not {meant}")
    return np.array(splits)

"""Files with predictions made elsewhere, in any of four forms, read as what they hold and not yet judged.

npz, safetensors   arrays `val` and `test` [N, classes]; optional integers `val_ids` and `test_ids` [N]; optional
                   `classes`, the names of the columns (npz: an array of text; safetensors: metadata, with commas)
csv, parquet       a line an image: column `split` (val or test, or the suite's own names), optional `id`, and a column
                   a class, by its name or another usual one (`anger` for `angry`)

Rows come with ids or in the official order, which is that of the data set's original file. An id is a row number of
that file, from 0, or the place of the row within its split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.external import arrays, tables
from benchmarks.external.incoming import Expected, Incoming
from benchmarks.text import told


def read(path: Path, expected: Expected) -> Incoming:
    """Read the file's numbers; raise ValueError naming the file and what in it is not as it has to be.

    What a file claims of its arrays or rows is judged before memory is taken for them.
    """
    if not path.is_file():
        raise ValueError(f"{path}: {'is no regular file' if path.exists() else 'there is no such file'}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{told(path.name)}: {told(path.suffix) or 'no suffix'} is none of {', '.join(READERS)}")
    try:
        return reader(path, expected)
    except ValueError as error:
        raise ValueError(f"{told(path.name)}: {told(error)}") from error


def digest(path: Path) -> str:
    """Return the SHA-256 of the file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


READERS: dict[str, Callable[[Path, Expected], Incoming]] = {
    ".npz": arrays.read_npz,
    ".safetensors": arrays.read_safetensors,
    ".csv": tables.read_csv,
    ".parquet": tables.read_parquet,
}

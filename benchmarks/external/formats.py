"""Files with predictions made elsewhere, in any of four forms, read as what they hold and not yet judged.

npz, safetensors   arrays `val` and `test` [N, classes]; optional integers `val_ids` and `test_ids` [N]; optional
                   `classes`, the names of the columns (npz: an array of text; safetensors: metadata, with commas)
csv, parquet       a line an image: column `split` (val or test, or the suite's own names), optional `id`, and a column
                   a class, by its name or another usual one (`anger` for `angry`)

Rows come with ids or in the official order, which is that of the data set's original file. An id is a row number of
that file, from 0, or the place of the row within its split. pyarrow and safetensors are imported where they read.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.expressions import expression, suggestion
from benchmarks.store.container import FORMAT

SPLITS = ("val", "test")


@dataclass(frozen=True, eq=False)
class Incoming:
    """What a file holds, by split, in its own order of rows and columns."""

    values: Mapping[str, np.ndarray]  # float64 [N, classes]
    ids: Mapping[str, np.ndarray | None]  # int64 [N]
    classes: tuple[str, ...] | None  # names of the columns
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Expected:
    """What the suite calls its classes and its two splits."""

    classes: tuple[str, ...]
    split_names: Mapping[str, str]  # `val` and `test` to the suite's names of them


def read(path: Path, expected: Expected) -> Incoming:
    """Read the file's numbers; raise ValueError naming the file and what in it is not as it has to be."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path.name}: {path.suffix or 'no suffix'} is none of {', '.join(READERS)}")
    try:
        return reader(path, expected)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def digest(path: Path) -> str:
    """Return the SHA-256 of the file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _npz(path: Path, expected: Expected) -> Incoming:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"is damaged, holds Python objects, or is no npz file ({error})") from error
    names = arrays.pop("classes", None)
    return _of_arrays(arrays, None if names is None else tuple(map(str, names.ravel())))


def _safetensors(path: Path, expected: Expected) -> Incoming:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the handle is no mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(f"is damaged or no safetensors file ({error})") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"holds a type of number that NumPy does not know ({error}); write float32") from error
    if header.get("format") == FORMAT:
        raise ValueError(
            "is a file of a prediction store: copy it into results/<suite>/predictions, and --check it there"
        )
    names = header.get("classes")
    return _of_arrays(arrays, tuple(names.split(",")) if names else None)


def _of_arrays(arrays: Mapping[str, np.ndarray], classes: tuple[str, ...] | None) -> Incoming:
    missing = [split for split in SPLITS if split not in arrays]
    if missing:
        raise ValueError(f"has no array {' and no '.join(map(repr, missing))}; it holds {', '.join(arrays) or 'none'}")
    known = {*SPLITS, *(f"{split}_ids" for split in SPLITS)}
    ignored = [f"ignored: array {name!r}" for name in arrays if name not in known]
    values = {split: _floats(split, arrays[split]) for split in SPLITS}
    ids = {split: _integers(f"{split}_ids", arrays.get(f"{split}_ids")) for split in SPLITS}
    return Incoming(values, ids, classes, tuple(ignored))


def _floats(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        raise ValueError(
            f"{name} is {array.dtype} {list(array.shape)}; logits or probabilities [N, classes] are needed"
        )
    return array.astype(np.float64)


def _integers(name: str, array: np.ndarray | None) -> np.ndarray | None:
    if array is None:
        return None
    # pandas makes floats of a column of integers in which a value was missing once, and R of any.
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool((array == np.floor(array)).all()))
    if not whole or array.ndim != 1:
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}; row numbers, integers [N], are needed")
    return array.astype(np.int64)


def _csv(path: Path, expected: Expected) -> Incoming:
    from pyarrow import ArrowException
    from pyarrow.csv import read_csv

    try:
        return _of_table(read_csv(path), expected)
    except (ArrowException, OSError) as error:
        raise ValueError(f"cannot be read as csv ({error})") from error


def _parquet(path: Path, expected: Expected) -> Incoming:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            return _of_table(file.read(), expected)
    except (ArrowException, OSError) as error:
        raise ValueError(f"cannot be read as parquet ({error})") from error


def _of_table(table: Any, expected: Expected) -> Incoming:
    columns = _columns(table.column_names, expected.classes)
    values = np.stack([_numbers(table, columns[name], name) for name in expected.classes], axis=1)
    ids = _integers("id", table[columns["id"]].to_numpy()) if "id" in columns else None
    split = _split_of_rows(table[columns["split"]].to_pylist(), expected.split_names)
    rows = {name: np.flatnonzero(split == index) for index, name in enumerate(SPLITS)}
    ignored = [
        f"ignored: column {name!r}" for index, name in enumerate(table.column_names) if index not in columns.values()
    ]
    return Incoming(
        {name: values[chosen] for name, chosen in rows.items()},
        {name: None if ids is None else ids[chosen] for name, chosen in rows.items()},
        expected.classes,
        tuple(ignored),
    )


def _columns(names: Sequence[str], classes: tuple[str, ...]) -> dict[str, int]:
    """Find where each column that has a meaning stands, by its name in lower case; of an expression, by any name."""
    usual = {expression(name): name.lower() for name in classes}
    columns = [usual.get(expression(name), name.strip().lower()) for name in names]
    for name in ("split", *classes):
        if name.lower() not in columns:
            near = suggestion(name, [other for other in columns if other not in ("split", "id", *classes)])
            raise ValueError(f"has no column {name!r}.{near} Its columns are {', '.join(names)}")
    twice = [name for name, count in Counter(columns).items() if count > 1 and name in ("split", "id", *classes)]
    if twice:
        raise ValueError(f"has two columns {twice[0]!r}")
    return {name: columns.index(name.lower()) for name in ("split", "id", *classes) if name.lower() in columns}


def _numbers(table: Any, column: int, name: str) -> np.ndarray:
    import pyarrow as pa

    try:
        return table[column].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise ValueError(f"column {name!r} holds what is no number ({error})") from error


def _split_of_rows(names: Sequence[Any], split_names: Mapping[str, str]) -> np.ndarray:
    """Return the index in SPLITS of every row's split."""
    known = {alias.lower(): index for index, name in enumerate(SPLITS) for alias in (name, split_names[name])}
    splits = [known.get(str(name).strip().lower(), -1) for name in names]
    if -1 in splits:
        row = splits.index(-1)
        meant = " or ".join(f"{name} ({split_names[name]})" for name in SPLITS)
        raise ValueError(f"row {row + 1}: split is {names[row]!r}, not {meant}")
    return np.array(splits)


READERS: dict[str, Callable[[Path, Expected], Incoming]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".csv": _csv,
    ".parquet": _parquet,
}

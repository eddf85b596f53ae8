"""Arrays by name in npz and safetensors files: what they claim to be is known before any of them is read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.data.npy import Header, read_header, read_values
from benchmarks.external.incoming import SPLITS, Expected, Incoming, ignored, integers
from benchmarks.results.row_classes import FROM_ELSEWHERE
from benchmarks.store.container import FORMAT
from benchmarks.text import told

SUFFIX = ".npy"  # of the name of an array in a zip archive
MOST_ARRAYS = 1_000  # that are looked at
TYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
"""NumPy's names of the types of safetensors that it knows."""
MOST_TEXT = 2**20  # bytes of the names of the columns
NAMED = 5  # arrays, in the message of one that is missing


def read_npz(path: Path, expected: Expected) -> Incoming:
    """Read what np.savez wrote; raise ValueError saying what is not as it has to be."""
    with open_npz(path) as file:
        return _of_arrays(file, expected)


def read_safetensors(path: Path, expected: Expected) -> Incoming:
    """Read a safetensors file; raise ValueError saying what is not as it has to be."""
    with open_safetensors(path) as file:
        if file.format == FORMAT:
            raise ValueError(
                "is a file of a prediction store: copy it into results/<suite>/predictions, and --check it there"
            )
        return _of_arrays(file, expected)


def _of_arrays(file: ArrayFile, expected: Expected) -> Incoming:
    missing = [split for split in SPLITS if split not in file.names]
    if missing:
        held = ", ".join(map(repr, file.names[:NAMED])) or "none"
        raise ValueError(f"has no array {' and no '.join(map(repr, missing))}; it holds {held}")
    claims = {split: file.claim(split) for split in SPLITS}
    for split, claim in claims.items():
        _check_floats(split, claim)
        expected.check_shape(split, claim.shape)
    known = {*SPLITS, "classes", "row_class", *(f"{split}_ids" for split in SPLITS)}
    return Incoming(
        {split: file.read(split).astype(np.float64) for split in SPLITS},
        {split: _ids(file, f"{split}_ids", expected.counts[split]) for split in SPLITS},
        _names_of_columns(file),
        ignored("array", [name for name in file.names if name not in known]),
        _row_class(file),
    )


def _row_class(file: ArrayFile) -> str | None:
    """Return the class of rows that a file says its model is of, in an array of one text; None where it says none."""
    if "row_class" not in file.names:
        return None
    claim = file.claim("row_class")
    if claim.dtype.kind != "U" or claim.shape != (1,) or claim.dtype.itemsize > MOST_TEXT:
        raise ValueError(f"row_class is {claim}; an array of one text is needed")
    (name,) = file.read("row_class").tolist()
    if name not in FROM_ELSEWHERE:
        raise ValueError(f"row_class is {told(repr(name))}; it can be {' or '.join(FROM_ELSEWHERE)}")
    return name


def _check_floats(name: str, claim: Header) -> None:
    if claim.dtype.kind not in "fiu" or len(claim.shape) != 2:
        raise ValueError(f"{name} is {claim}; logits or probabilities [N, classes] are needed")


def _ids(file: ArrayFile, name: str, count: int) -> np.ndarray | None:
    if name not in file.names:
        return None
    claim = file.claim(name)
    if claim.dtype.kind not in "fiu" or len(claim.shape) != 1:
        raise ValueError(f"{name} is {claim}; row numbers, integers [N], are needed")
    if claim.shape != (count,):
        raise ValueError(f"{name} holds {claim.shape[0]:,} row numbers for {count:,} rows")
    return integers(name, file.read(name))


def _names_of_columns(file: ArrayFile) -> tuple[str, ...] | None:
    if "classes" not in file.names:
        return file.classes
    claim = file.claim("classes")
    if claim.dtype.kind != "U" or claim.bytes > MOST_TEXT:
        raise ValueError(f"classes is {claim}; the names of the columns, an array of text, are needed")
    return tuple(map(str, file.read("classes").ravel()))


class ArrayFile(Protocol):
    """An open file of arrays."""

    names: list[str]
    classes: tuple[str, ...] | None  # names of columns, where the file's own header has them
    format: str | None  # of this project's files

    def claim(self, name: str) -> Header:
        """Return what an array is, from its header; raise ValueError."""

    def read(self, name: str) -> np.ndarray:
        """Return an array; raise ValueError."""


@contextmanager
def open_npz(path: Path) -> Iterator[ArrayFile]:
    """Open what np.savez wrote; raise ValueError where it is none, or is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Npz(archive)
    except ValueError:
        raise
    except Exception as error:  # zipfile, its decompressors and NumPy raise whatever damaged bytes provoke in them
        raise ValueError(f"is damaged, or is no npz file ({error})") from error


@contextmanager
def open_safetensors(path: Path) -> Iterator[ArrayFile]:
    """Open a safetensors file; raise ValueError where it is none, or is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield _Safetensors(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"is damaged or no safetensors file ({error})") from error


class _Npz:
    classes: tuple[str, ...] | None = None
    format: str | None = None

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = archive.infolist()
        self.names = [member.filename.removesuffix(SUFFIX) for member in self._members[:MOST_ARRAYS]]

    def claim(self, name: str) -> Header:
        return self._opened(name, values=False)[0]

    def read(self, name: str) -> np.ndarray:
        return self._opened(name, values=True)[1]

    def _opened(self, name: str, values: bool) -> tuple[Header, Any]:
        if self.names.count(name) > 1:
            raise ValueError(f"holds two arrays {name!r}")
        try:
            with self._archive.open(self._members[self.names.index(name)]) as stream:
                header = read_header(stream)
                return header, read_values(stream, header) if values else None
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error


class _Safetensors:
    def __init__(self, file: Any) -> None:
        header = file.metadata() or {}
        self._file = file
        self.names = list(file.keys())[:MOST_ARRAYS]
        self.format = header.get("format")
        self.classes = tuple(header["classes"].split(",")) if header.get("classes") else None

    def claim(self, name: str) -> Header:
        part = self._file.get_slice(name)
        kind = part.get_dtype()
        if kind not in TYPES:
            raise ValueError(f"{name} holds a type of number that NumPy does not know ({kind}); write float32")
        return Header(tuple(part.get_shape()), np.dtype(TYPES[kind]))

    def read(self, name: str) -> np.ndarray:
        return self._file.get_tensor(name)

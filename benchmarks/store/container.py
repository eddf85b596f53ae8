"""The files of the prediction store: safetensors with a JSON header that says which store wrote them.

Each holds the digests of its arrays and of its facts (`zoo/sealed.py`), which every reading checks. A file without them
was written before they were, or by somebody else: what it holds is then judged by whoever reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from benchmarks.files import DamagedFile, write_atomic
from benchmarks.shapes import departures, told
from zoo.sealed import Damaged, SealedFile, read, read_facts, seal

FORMAT = "fer-ensembles/predictions/1"


class StoreError(DamagedFile):
    """A file of the store that cannot be used; the message names it and says why."""


class Gone(StoreError):
    """A file that is not there, or that another process has removed since it was found."""


class StoredFile(NamedTuple):
    """Arrays by name, the header, and whether digests prove both."""

    arrays: dict[str, np.ndarray]
    header: dict[str, Any]
    proven: bool


def packed(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as JSON, as a file's header holds them."""
    return {"format": FORMAT, "json": json.dumps(values, sort_keys=True)}


def write_file(path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write arrays with a header and the digests of both, atomically, into a folder that is made where it is missing.

    Raises CannotWrite.
    """
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}  # save takes memory as it is
    write_atomic(path, seal(save(tensors, packed(header))))


def read_header(path: Path, shape: Any = dict[str, Any]) -> dict[str, Any]:
    """Read configuration and provenance, of that shape, and not the arrays; raise StoreError."""
    try:
        return _json(path, read_facts(path), shape)
    except (Damaged, OSError) as error:
        raise _unusable(path, error) from error


def read_file(path: Path, shape: Any = dict[str, Any]) -> StoredFile:
    """Read all arrays by name, and the header, of that shape; raise StoreError."""
    found = opened(path)
    try:
        arrays = load(found.content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:  # which of them depends on what is wrong
        raise _unusable(path, error) from error
    return StoredFile(arrays, _json(path, found.facts, shape), found.proven)


def opened(path: Path) -> SealedFile:
    """Read a file of arrays of any kind, proven by its digests where it has any; raise StoreError."""
    try:
        return read(path)
    except (Damaged, OSError) as error:
        raise _unusable(path, error) from error


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used, so that the next run makes another; return its new path."""
    return path.replace(path.with_suffix(".unreadable"))


def _unusable(path: Path, error: Exception) -> StoreError:
    if isinstance(error, FileNotFoundError):
        return Gone(f"{path.name}: is not there, or no longer; if another process has replaced it, run this again")
    reason = error.strerror if isinstance(error, OSError) else error
    return StoreError(f"{path.name}: is damaged or no safetensors file ({reason}); restore it, or remove it")


def _json(path: Path, facts: Mapping[str, str], shape: Any) -> dict[str, Any]:
    if facts.get("format") != FORMAT:
        raise StoreError(f"{path.name}: was not written by this store (no {FORMAT!r} in its header)")
    try:
        values = json.loads(facts.get("json", ""))
    except (ValueError, RecursionError) as error:
        raise _unusable(path, error) from error
    if not isinstance(values, dict) or (wrong := told(departures(values, shape))):
        found = wrong if isinstance(values, dict) else "no object"
        raise StoreError(f"{path.name}: its header lacks {found}, or has it of another kind; restore it, or remove it")
    return values

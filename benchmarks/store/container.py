"""The files of the prediction store: safetensors with a JSON header that says which store wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from benchmarks.files import CannotWrite, write_atomic

FORMAT = "fer-ensembles/predictions/1"


class StoreError(ValueError):
    """A file of the store that cannot be used; the message names it and says why."""


def packed(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as JSON, as a file's header holds them."""
    return {"format": FORMAT, "json": json.dumps(values, sort_keys=True)}


def write_file(path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write arrays with a header, atomically and while no other process writes into the folder, which is made."""
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}  # save takes memory as it is
    with locked(path.parent):
        write_atomic(path, save(tensors, packed(header)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a store's folder, which is made where it is missing; raise CannotWrite."""
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise CannotWrite(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def read_header(path: Path) -> dict[str, Any]:
    """Read configuration and provenance, and not the arrays; raise StoreError."""
    with _opened(path) as file:
        return _json(path, file)


def read_file(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read all arrays by name, and the header; raise StoreError."""
    with _opened(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the handle is no mapping
        return arrays, _json(path, file)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path.name}: is damaged or no safetensors file ({error})") from error


def _json(path: Path, file: Any) -> dict[str, Any]:
    header = file.metadata() or {}
    if header.get("format") != FORMAT:
        raise StoreError(f"{path.name}: was not written by this store (no {FORMAT!r} in its header)")
    return json.loads(header["json"])

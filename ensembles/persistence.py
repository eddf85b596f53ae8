"""Fitted ensemblers to files and back, without pickle.

A file is safetensors: the fitted arrays as tensors (trees of xgboost as the bytes of its own UBJSON format), and one
JSON text in the header with the name, the options and every fitted number. Reading one runs no code of the file's, and
nothing of it is used before its digests have shown that it is as it was written (`ensembles/sealed.py`).
"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np

from ensembles.base import Ensembler
from ensembles.registry import get
from ensembles.sealed import Damaged, publish, read, seal

FORMAT = "fer-ensembles/ensembler/1"
Fitted = TypeVar("Fitted")


def save(fitted: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted ensembler (or another fitted dataclass that has a `name`) to `path`, atomically.

    ValueError where it is not fitted or has an attribute that its class does not declare as `fitted`, TypeError for one
    that is neither array nor JSON, OSError where the file cannot be written."""
    from safetensors.numpy import save as to_bytes

    options = {field.name for field in fields(fitted)}
    state = {name: value for name, value in vars(fitted).items() if name not in options}
    if not state:
        raise ValueError(f"{fitted.name} is not fitted: there is nothing to save")
    if undeclared := sorted(state.keys() - _declared(type(fitted))):
        raise ValueError(f"{fitted.name} has an attribute {undeclared[0]!r} that its class does not name in `fitted`")
    arrays = {name: np.ascontiguousarray(value) for name, value in state.items() if isinstance(value, np.ndarray)}
    header = {
        "name": fitted.name,
        "options": {name: getattr(fitted, name) for name in sorted(options)},
        "state": {name: value for name, value in state.items() if name not in arrays},
    }
    metadata = {"format": FORMAT, "json": json.dumps(header, sort_keys=True, default=_plain)}
    publish(Path(path), seal(to_bytes(arrays, metadata)))


@overload
def load(path: str | os.PathLike[str]) -> Ensembler: ...
@overload
def load(path: str | os.PathLike[str], kind: type[Fitted]) -> Fitted: ...
def load(path: str | os.PathLike[str], kind: Any = None) -> Any:
    """Read the fitted ensembler that `save` wrote: the same options and, to the bit, the same predictions.

    `kind` is the class where it is not a registered ensembler. ValueError where the file is no such file, of another
    kind, or damaged; also where trees come without the digests that show them to be as they were written: the parser of
    xgboost ends the process on bytes that it does not expect."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        found = read(Path(path))
        arrays = from_bytes(found.content)
    except (Damaged, SafetensorError, ValueError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a safetensors file ({error})") from error
    if found.facts.get("format") != FORMAT:
        raise ValueError(f"{path}: holds no ensembler (no {FORMAT!r} in its header)")
    if not found.proven and any(array.dtype == np.uint8 for array in arrays.values()):
        raise ValueError(f"{path}: holds trees without digests that prove them; fit and save it anew")
    header = _header(path, found.facts.get("json", ""))
    ensembler = kind or get(header["name"])
    if ensembler.name != header["name"]:
        raise ValueError(f"{path}: holds {header['name']}, not {ensembler.name}")
    return _fitted(path, ensembler, header, arrays)


def _header(path: Any, text: str) -> dict[str, Any]:
    """Read name, options and fitted numbers; ValueError where one of them is missing or of another kind."""
    try:
        header = json.loads(text)
        kinds = [type(header[part]) for part in ("name", "options", "state")]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: its header is damaged ({error!r}); fit and save it anew") from error
    if kinds != [str, dict, dict]:
        raise ValueError(f"{path}: its header holds something else than name, options and state; fit and save it anew")
    return dict(header)


def _fitted(path: Any, ensembler: Any, header: dict[str, Any], arrays: dict[str, Any]) -> Any:
    """Return an ensembler with these options and fitted attributes; ValueError where it can have no such ones."""
    known = {field.name for field in fields(ensembler)}
    if unknown := sorted(set(header["options"]) - known):
        raise ValueError(f"{path}: {ensembler.name} has no option {unknown[0]!r}: it was saved by another version")
    state = {**header["state"], **arrays}
    if foreign := sorted(state.keys() - _declared(ensembler)):
        raise ValueError(f"{path}: {foreign[0]!r} is no fitted attribute of {ensembler.name}")
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in header["options"].items()}
    fitted = ensembler(**options)
    for name, value in state.items():
        setattr(fitted, name, value)
    return fitted


def _declared(kind: Any) -> set[str]:
    """Return the attributes that a fit may leave: those that a class and the ones above it name in `fitted`."""
    return {name for one in kind.__mro__ for name in vars(one).get("fitted", ())}


def _plain(value: Any) -> Any:
    """Return a numpy number as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot save a fitted attribute of type {type(value).__name__}")

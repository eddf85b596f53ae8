"""Fitted ensemblers to files and back, without pickle.

A file is safetensors: the fitted arrays as tensors (trees of xgboost as the bytes of its own UBJSON format), and one
JSON text in the header with the name, the options and every fitted number. Reading one runs no code of the file's.
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

FORMAT = "fer-ensembles/ensembler/1"
Fitted = TypeVar("Fitted")


def save(fitted: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted ensembler (or another fitted dataclass that has a `name`) to `path`, atomically.

    ValueError where it is not fitted, TypeError for a fitted attribute that is neither array nor JSON."""
    from safetensors.numpy import save as to_bytes

    options = {field.name for field in fields(fitted)}
    state = {name: value for name, value in vars(fitted).items() if name not in options}
    if not state:
        raise ValueError(f"{fitted.name} is not fitted: there is nothing to save")
    arrays = {name: np.ascontiguousarray(value) for name, value in state.items() if isinstance(value, np.ndarray)}
    header = {
        "name": fitted.name,
        "options": {name: getattr(fitted, name) for name in sorted(options)},
        "state": {name: value for name, value in state.items() if name not in arrays},
    }
    metadata = {"format": FORMAT, "json": json.dumps(header, sort_keys=True, default=_plain)}
    place = Path(path)
    draft = place.with_name(f".{place.name}.part")
    draft.write_bytes(to_bytes(arrays, metadata))
    os.replace(draft, place)


@overload
def load(path: str | os.PathLike[str]) -> Ensembler: ...
@overload
def load(path: str | os.PathLike[str], kind: type[Fitted]) -> Fitted: ...
def load(path: str | os.PathLike[str], kind: Any = None) -> Any:
    """Read the fitted ensembler that `save` wrote: the same options and, to the bit, the same predictions.

    `kind` is the class where it is not a registered ensembler. ValueError where the file is no such file or of another
    kind."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the handle is no mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: holds no ensembler (no {FORMAT!r} in its header)")
    header = json.loads(metadata["json"])
    ensembler = kind or get(header["name"])
    if ensembler.name != header["name"]:
        raise ValueError(f"{path}: holds {header['name']}, not {ensembler.name}")
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in header["options"].items()}
    fitted = ensembler(**options)
    for name, value in {**header["state"], **arrays}.items():
        setattr(fitted, name, value)
    return fitted


def _plain(value: Any) -> Any:
    """Return a numpy number as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot save a fitted attribute of type {type(value).__name__}")

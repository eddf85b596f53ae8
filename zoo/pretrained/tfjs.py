"""Read the weights that TensorFlow.js keeps: a manifest of tensors, and their numbers, often rounded, in shards.

The manifest is a list of groups, alone in a file (`...-weights_manifest.json`) or as `weightsManifest` in a model's
JSON. A group's shards, joined in the order of its `paths`, hold its tensors one behind the other, little-endian and row
by row. Rounded numbers are float16, or integers q of 8 or 16 bits that stand for `scale * q + min`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

PLAIN = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "bool": "?"}
ROUNDED = {"float16": "<f2", "uint8": "u1", "uint16": "<u2"}


class UnreadableShards(ValueError):
    """No manifest of TensorFlow.js, or shards that do not hold what it says; the message says which and why."""


def shard_names(manifest: bytes) -> list[str]:
    """Return the file names of all shards of a manifest, in order; raise UnreadableShards."""
    return [name for group in _groups(manifest) for name in group["paths"]]


def read_tensors(manifest: bytes, shards: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Return every tensor of a manifest by name, as float32, int32, uint8 or bool; `shards` are by file name.

    Raises UnreadableShards.
    """
    tensors: dict[str, np.ndarray] = {}
    for group in _groups(manifest):
        if missing := [name for name in group["paths"] if name not in shards]:
            raise UnreadableShards(f"the shard {missing[0]} is not here")
        content, place = b"".join(shards[name] for name in group["paths"]), 0
        for entry in group["weights"]:
            name, values, place = _tensor(entry, content, place)
            if name in tensors:
                raise UnreadableShards(f"the manifest has two tensors named {name}")
            tensors[name] = values
        if place != len(content):
            raise UnreadableShards(f"{', '.join(group['paths'])}: {len(content)} bytes, of which tensors take {place}")
    return tensors


def _groups(manifest: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(manifest)
        groups = found["weightsManifest"] if isinstance(found, dict) else found
        for group in groups:
            names, entries = group["paths"], group["weights"]
            if not all(isinstance(name, str) for name in names) or not isinstance(entries, list):
                raise TypeError("paths are no names, or weights no list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableShards(f"no manifest of TensorFlow.js: {type(error).__name__}: {error}") from error
    return groups


def _tensor(entry: Any, content: bytes, place: int) -> tuple[str, np.ndarray, int]:
    """Return a tensor's name, its numbers, and where in the shards the next one begins."""
    try:
        name, shape, dtype = entry["name"], tuple(entry["shape"]), entry["dtype"]
        rounding = entry.get("quantization")
        stored = PLAIN[dtype] if rounding is None else ROUNDED[rounding["dtype"]]
        scale, least = (1.0, 0.0) if rounding is None else (rounding.get("scale", 1.0), rounding.get("min", 0.0))
        if not all(type(side) is int and side >= 0 for side in shape):
            raise TypeError(f"its shape is {shape}")
        count = math.prod(shape)
        end = place + count * np.dtype(stored).itemsize
        if end > len(content):
            raise BufferError(f"it ends at byte {end}, and its shards have {len(content)}")
        values = np.frombuffer(content, stored, count, place).reshape(shape)
        if rounding is not None and rounding["dtype"] != "float16":
            values = values * float(scale) + float(least)  # in float64, as TensorFlow.js has it
            values = values.round() if dtype == "int32" else values
        return name, values.astype(np.dtype(PLAIN[dtype]).newbyteorder("=")), end
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, BufferError) as error:
        raise UnreadableShards(f"a tensor cannot be read: {type(error).__name__}: {error}: {entry!s:.80}") from error

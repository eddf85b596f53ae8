"""Weights as frameworks write them, read as arrays by name: nothing of the packages runs, and no pickle is followed."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.pretrained.packages import WeightsUnavailable

MOST_NUMBERS = 1 << 26  # of all tensors of a file


def keras_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the float32 arrays of a Keras HDF5 file as `layer/kind`, such as `conv2d_1/kernel`; needs h5py."""
    try:
        import h5py
    except ImportError as error:
        raise WeightsUnavailable('h5py is needed to read HDF5: pip install -e ".[tools]"') from error
    found: dict[str, np.ndarray] = {}

    def take(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            layer, kind = name.split("/")[0], name.split("/")[-1].partition(":")[0]
            found[f"{layer}/{kind}"] = np.asarray(node[()], np.float32)

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            weights = file.get("model_weights", file)
            weights.visititems(take)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise WeightsUnavailable(f"the weights cannot be read as HDF5 of Keras: {error}") from error
    return found


def tfjs_arrays(manifest: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Return the float32 arrays of a TensorFlow.js model by name; integers that stand for floats are mapped back.

    `manifest` is the weights manifest, or the model.json that holds it, and `data` are its shards, end to end.
    """
    try:
        described = json.loads(manifest)
        groups = described["weightsManifest"] if isinstance(described, dict) else described
        entries = [entry for group in groups for entry in group["weights"]]
        arrays, place = {}, 0
        for entry in entries:
            array, place = _entry(entry, data, place)
            arrays[entry["name"]] = array
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(f"the weights cannot be read as those of TensorFlow.js: {error!r}") from error
    if place != len(data):
        raise WeightsUnavailable(f"the manifest describes {place:,} bytes of weights, and there are {len(data):,}")
    return arrays


def _entry(entry: Mapping[str, Any], data: bytes, place: int) -> tuple[np.ndarray, int]:
    """Return one array of a manifest, which begins at `place`, and where the next one begins."""
    quantised = entry.get("quantization")
    kind = np.dtype((quantised or entry)["dtype"]).newbyteorder("<")
    count = math.prod(entry["shape"])
    if kind.kind not in "iuf" or not 0 <= count <= MOST_NUMBERS:
        raise ValueError(f"{entry['name']} has {count} numbers of {kind}")
    array = np.frombuffer(data, kind, count, place).reshape(entry["shape"]).astype(np.float32)
    if quantised and "scale" in quantised:
        array = array * np.float32(quantised["scale"]) + np.float32(quantised["min"])
    return array, place + count * kind.itemsize

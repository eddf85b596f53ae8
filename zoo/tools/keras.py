"""Weights as Keras writes them, read as arrays by name; nothing of the package runs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from zoo.pretrained.packages import WeightsUnavailable


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

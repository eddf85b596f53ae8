"""Read the weights of an ONNX file by name: its initializers, those that are rounded by blocks as float32."""

from __future__ import annotations

import numpy as np

from zoo.pretrained.packages import WeightsUnavailable

PARTS = ("_quantized", "_scales", "_zero_point", "_shape")
"""What OpenCV's quantizer puts behind a tensor's name: its integers, what they are multiplied by, the integers that
stand for zero, and its shape. A scale and a zero serve so many integers along the last axis as a block has."""


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """Return every initializer of an ONNX model by name; rounded ones by the name of the tensor that they stand for.

    Needs the library onnx. Raises WeightsUnavailable where it is missing, and ValueError where the bytes are no model,
    or of a rounded tensor one of `PARTS` is missing.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise WeightsUnavailable('reading ONNX weights needs onnx: pip install -e ".[export]"') from error
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own, which is no public name
        raise ValueError(f"no ONNX model: {error}") from error
    stored = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            block = next((one.i for one in node.attribute if one.name == "block_size"), 0)
            name = node.input[0].removesuffix(PARTS[0])
            stored[name] = _restored(name, stored, block)
    return stored


def _restored(name: str, stored: dict[str, np.ndarray], block: int) -> np.ndarray:
    """Return a tensor as float32 from its parts, which are taken out of those stored."""
    if missing := [f"{name}{part}" for part in PARTS if f"{name}{part}" not in stored]:
        raise ValueError(f"{name} has no {', '.join(missing)}")
    integers, scales, zeros, shape = (stored.pop(f"{name}{part}") for part in PARTS)
    scale, zero = (np.repeat(each, block, -1)[..., : integers.shape[-1]] for each in (scales, zeros))
    if not scale.shape == zero.shape == integers.shape:
        raise ValueError(f"{name}: {list(integers.shape)} integers with {list(scales.shape)} scales for {block} each")
    return ((integers.astype(np.float32) - zero.astype(np.float32)) * scale).reshape(shape)

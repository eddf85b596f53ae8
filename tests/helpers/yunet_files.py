"""A file with the inputs and outputs of YuNet, which sees the faces it was told of in every picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIDE = 640


def write_yunet(path: Path, faces: Mapping[int, tuple[int, int, float, float]]) -> Path:
    """Write a file that sees, for each stride, a face in the cell of a column and row, with a width and height.

    The face is in the middle of its cell; its eyes, nose and corners of the mouth are one cell around the corner.
    """
    onnx: Any = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes, outputs, weights = [], [], []
    for stride in (8, 16, 32):
        for part, values in _cells(stride, faces.get(stride)).items():
            name = f"{part}_{stride}"
            weights.append(onnx.numpy_helper.from_array(values[None], f"{name}_values"))
            nodes.append(helper.make_node("Identity", [f"{name}_values"], [name]))
            outputs.append(helper.make_tensor_value_info(name, kind, [1, *values.shape]))
    source = helper.make_tensor_value_info("input", kind, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "yunet", [source], outputs, weights)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8).SerializeToString()
    )
    return path


def _cells(stride: int, face: tuple[int, int, float, float] | None) -> dict[str, np.ndarray]:
    side = SIDE // stride
    cells = {part: np.zeros((side**2, width), np.float32) for part, width in
             (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))}  # fmt: skip
    if face is not None:
        column, row, width, height = face
        cell = row * side + column
        cells["cls"][cell], cells["obj"][cell] = 0.9, 0.9
        cells["bbox"][cell] = [0.5, 0.5, np.log(width / stride), np.log(height / stride)]
        cells["kps"][cell] = [-1, -1, 1, -1, 0, 0, -1, 1, 1, 1]
    return cells

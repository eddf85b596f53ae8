"""Weights of ONNX files: plain ones as they are, rounded ones as the graph itself restores them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from zoo.pretrained.onnx_tensors import read_tensors
from zoo.pretrained.packages import WeightsUnavailable

onnx = pytest.importorskip("onnx")
RANDOM = np.random.default_rng(3)


def model(shape: tuple[int, ...], block: int, lost: str = "") -> bytes:
    """A graph with one tensor as it is, and one that OpenCV's quantizer rounded by blocks and the graph restores."""
    from onnx import TensorProto, helper, numpy_helper

    rows, row = shape[0], int(np.prod(shape[1:]))
    blocks = -(-row // block)
    arrays: dict[str, np.ndarray] = {
        "plain": RANDOM.normal(size=(2, 3)).astype(np.float32),
        "kernel_quantized": RANDOM.integers(-128, 128, (rows, row), dtype=np.int8),
        "kernel_scales": RANDOM.uniform(0.001, 0.1, (rows, blocks)).astype(np.float32),
        "kernel_zero_point": RANDOM.integers(-128, 128, (rows, blocks), dtype=np.int8),
        "kernel_shape": np.array(shape, np.int64),
    }
    inputs = ["kernel_quantized", "kernel_scales", "kernel_zero_point"]
    nodes = [
        helper.make_node("DequantizeLinear", inputs, ["restored"], axis=1, block_size=block),
        helper.make_node("Reshape", ["restored", "kernel_shape"], ["kernel"]),
    ]
    stored = [numpy_helper.from_array(values, name) for name, values in arrays.items() if name != lost]
    output = helper.make_tensor_value_info("kernel", TensorProto.FLOAT, list(shape))
    graph = helper.make_graph(nodes, "rounded", [], [output], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


@pytest.mark.parametrize(
    ("shape", "block"), [((4, 64), 64), ((4, 128), 64), ((3, 2, 4, 4), 8), ((5, 3, 3, 3), 64), ((2, 100), 64)]
)
def test_rounded_tensors_are_what_the_runtime_makes_of_them(shape: tuple[int, ...], block: int):
    runtime = pytest.importorskip("onnxruntime")
    content = model(shape, block)
    found = read_tensors(content)
    assert set(found) == {"plain", "kernel"} and found["kernel"].dtype == np.float32
    (expected,) = runtime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(["kernel"], {})
    np.testing.assert_allclose(found["kernel"], expected, rtol=1e-6)


def test_what_is_no_model_or_lacks_a_part_is_refused():
    with pytest.raises(ValueError, match="no ONNX model"):
        read_tensors(b"\xff" * 50)
    with pytest.raises(ValueError, match="kernel has no kernel_zero_point"):
        read_tensors(model((4, 64), 64, lost="kernel_zero_point"))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    content = model((4, 64), 64)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(WeightsUnavailable, match=r'pip install -e "\.\[export\]"'):
        read_tensors(content)

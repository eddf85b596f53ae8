"""Small model files whose answers a test knows: the class is a matter of how bright the crop is.

They are made with the package `onnx`; a test that needs one skips where that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.use.bundle import INPUT, OPSET, OUTPUT, Facts
from zoo.use.onnx_file import seal, weights_sha256

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
STEEP = 8.0  # how fast the logit of a class falls with the distance of the brightness from its own
FACTS = Facts(
    CLASSES,
    suite="fer2013",
    title="brightness",
    weights_sha256="",
    thresholds={"0.80": 0.3, "0.90": 0.5},
    conformal={"coverage": 0.9, "quantile": 0.8},
    members=({"label": "brightness", "hash": "0" * 16},),
    accuracy={"val": 0.5, "test": 0.5, "interval": [0.4, 0.6]},
    code_version="0",
)


def brightness(classes: int = 7) -> np.ndarray:
    """The mean level at which each class is the most probable one."""
    return (255 * np.arange(classes) / (classes - 1)).astype(np.float32)


def expected(crops: np.ndarray, classes: int = 7) -> np.ndarray:
    """What the model of `write_bundle` says of uint8 crops [N, H, W, 3]."""
    level = crops.reshape(len(crops), -1).mean(axis=1)[:, None]
    logits = -STEEP * ((level - brightness(classes)) / 255) ** 2 * classes
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def write_bundle(path: Path, facts: Facts = FACTS, metadata: Mapping[str, str | None] | None = None) -> Path:
    """Write a model file with these facts; `metadata` overrides a key, or leaves it out where it is None."""
    onnx = pytest.importorskip("onnx")
    return _write(onnx, path, _model(onnx, len(facts.classes)), facts, metadata)


def write_random_bundle(path: Path, facts: Facts = FACTS) -> Path:
    """Write a model file for crops of 48 pixels a side whose answers depend on what is where: random weights."""
    onnx = pytest.importorskip("onnx")
    return _write(onnx, path, _random_model(onnx, len(facts.classes)), facts, None)


def _write(onnx: Any, path: Path, model: Any, facts: Facts, metadata: Mapping[str, str | None] | None) -> Path:
    """Add what the file says of itself, and write it."""
    true = replace(facts, weights_sha256=weights_sha256(model.SerializeToString()))
    texts = {key: text for key, text in {**true.metadata(), **(metadata or {})}.items() if text is not None}
    onnx.helper.set_model_props(model, texts)
    path.write_bytes(seal(model.SerializeToString()))
    return path


def _model(onnx: Any, classes: int) -> Any:
    """logits = -STEEP classes (mean / 255 - centre)^2"""
    helper, kind = onnx.helper, onnx.TensorProto
    centres = onnx.numpy_helper.from_array(brightness(classes)[None] / 255, "centres")
    scale = onnx.numpy_helper.from_array(np.array([-STEEP * classes], dtype=np.float32), "scale")
    unit = onnx.numpy_helper.from_array(np.array([1 / 255], dtype=np.float32), "unit")
    axes = onnx.numpy_helper.from_array(np.array([1, 2, 3]), "axes")
    rows = onnx.numpy_helper.from_array(np.array([-1, 1]), "rows")
    nodes = [
        helper.make_node("Cast", [INPUT], ["levels"], to=kind.FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "unit"], ["light"]),
        helper.make_node("Reshape", ["light", "rows"], ["column"]),
        helper.make_node("Sub", ["column", "centres"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["square"]),
        helper.make_node("Mul", ["square", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [OUTPUT], axis=1),
    ]
    return _of_crops(onnx, nodes, [centres, scale, unit, axes, rows], classes)


def _random_model(onnx: Any, classes: int) -> Any:
    """One linear layer on the pixels of a crop of 48 a side, whose weights change every 4 pixels."""
    helper = onnx.helper
    coarse = np.random.default_rng(0).normal(0, 0.0001, (12, 12, 1, classes))
    coarse -= coarse.mean(axis=(0, 1))
    layer = np.broadcast_to(coarse.repeat(4, axis=0).repeat(4, axis=1), (48, 48, 3, classes)).reshape(-1, classes)
    nodes = [
        helper.make_node("Cast", [INPUT], ["levels"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Flatten", ["levels"], ["rows"]),
        helper.make_node("MatMul", ["rows", "layer"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [OUTPUT], axis=1),
    ]
    return _of_crops(onnx, nodes, [onnx.numpy_helper.from_array(layer.astype(np.float32), "layer")], classes)


def _of_crops(onnx: Any, nodes: list[Any], weights: list[Any], classes: int) -> Any:
    helper, kind = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        nodes,
        "crops",
        [helper.make_tensor_value_info(INPUT, kind.UINT8, ["N", "height", "width", 3])],
        [helper.make_tensor_value_info(OUTPUT, kind.FLOAT, ["N", classes])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)

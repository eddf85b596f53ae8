"""Static int8: weights and activations of the networks in int8, by what activations are on training images."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish.onnx_file import network_nodes
from zoo.use.bundle import INPUT

if TYPE_CHECKING:
    from onnx import ModelProto

IMAGES = 512  # training images that show the range of each activation
AT_ONCE = 16


def quantised(proto: ModelProto, crops: np.ndarray) -> ModelProto:
    """Return the graph with QuantizeLinear and DequantizeLinear around the layers of its networks.

    Ranges are the least and the greatest value on `crops`, uint8 [N,H,W,3]; weights have a scale for each output
    channel, and 7 bits: processors without VNNI add two products in 16 bits, where those of 8 bits overflow, and say
    something else than the others. What prepares images and combines outputs stays float32.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Crops(CalibrationDataReader):
        """Batches of crops, as onnxruntime asks for them."""

        def __init__(self) -> None:
            self._batches: Iterator[np.ndarray] = iter(np.array_split(crops, max(1, len(crops) // AT_ONCE)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "static.onnx"
        quantize_static(
            proto,
            str(path),
            Crops(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_quantize=_quantisable(proto),
        )
        return onnx.load(str(path))


def _quantisable(proto: Any) -> list[str]:
    """List the nodes of networks but those around a Pad: before MaxPool it pads with minus infinity."""
    padded = {node.output[0] for node in proto.graph.node if node.op_type == "Pad"}
    around = {
        node.name
        for node in proto.graph.node
        if node.op_type == "Pad" or (node.op_type == "MaxPool" and node.input[0] in padded)
    }
    return [name for name in network_nodes(proto) if name not in around]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the terminal onnxruntime's advice on how to prepare graphs, given by the root logger, and numpy's
    warning of the infinite range of a padded activation, which is left as it is."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with np.errstate(invalid="ignore"):
            yield
    finally:
        logging.disable(before)

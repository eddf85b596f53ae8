"""A model as an ONNX file: the graph, how its weights are stored, and what the file says of itself."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.use.bundle import INPUT, OPSET, OUTPUT, Facts
from zoo.use.onnx_file import seal, weights_sha256

if TYPE_CHECKING:
    from onnx import ModelProto

    from benchmarks.publish.graph import Model

NETWORKS = "networks/"
"""What the names of the nodes begin with that lie in a network; the others prepare images and combine outputs."""
CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": -1}
"""The axis of a weight along which int8 has scales of its own, by the operator that takes it as its second input."""
SMALL = 1024  # numbers in a weight that stays as it is: first layers and classifiers lose most, and weigh nothing
TRACED = (2, 50, 52, 3)  # the crops of the trace: lengths that nothing in a graph has by itself


def to_onnx(model: Model) -> ModelProto:
    """Return the graph of a model, for any number of crops of any size, in float32.

    Names of the file system, which the exporter leaves in it, are taken out.
    """
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    anything = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated parts of torch that it uses itself
        program = torch.onnx.export(
            model,
            (torch.zeros(TRACED, dtype=torch.uint8),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={INPUT: {0: anything, 1: anything, 2: anything}},
            verbose=False,
        )
    assert program is not None
    proto: ModelProto = program.model_proto
    _name_networks(proto)
    _forget_the_trace(proto)
    _name_lengths(proto)
    convolve_prelu(proto)
    return proto


def _name_networks(proto: Any) -> None:
    for node in proto.graph.node:
        place = next((entry.value for entry in node.metadata_props if entry.key == "namespace"), "")
        if ".networks." in place:
            node.name = NETWORKS + node.name


def _forget_the_trace(proto: Any) -> None:
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")


def _name_lengths(proto: Any) -> None:
    crops, probabilities = proto.graph.input[0], proto.graph.output[0]
    for dimension, name in zip(crops.type.tensor_type.shape.dim, ("batch", "height", "width"), strict=False):
        dimension.dim_param = name
    probabilities.type.tensor_type.shape.dim[0].dim_param = "batch"


def convolve_prelu(proto: Any) -> None:
    """Compute PReLU with a slope for each channel by ReLU and convolutions of single pixels, in place.

    x becomes relu(x) + (-slope) relu(-x), the same to the last bit. ONNX Runtime keeps its own order of channels
    through ReLU and convolutions; PReLU takes the usual one, and every map is reordered twice: face_mobilenet_mid is
    1.6 to 1.9 times as fast so (AVX2, one core and two, 1 and 8 images).
    """
    from onnx import numpy_helper

    slopes = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    for node in nodes:
        slope = slopes.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is not None and slope.size > 1 and slope.shape[-3:] == (slope.size, 1, 1):
            proto.graph.node.extend(_convolved_prelu(proto, node, slope.reshape(-1, 1, 1, 1)))
        else:
            proto.graph.node.append(node)
    used = {name for node in proto.graph.node for name in node.input}
    for tensor in [one for one in proto.graph.initializer if one.name not in used]:
        proto.graph.initializer.remove(tensor)


def _convolved_prelu(proto: Any, node: Any, slope: np.ndarray) -> list[Any]:
    """Return the nodes in the place of one; their names are not those of nodes that int8 quantises."""
    from onnx import helper, numpy_helper

    (images, _), (output,), name = node.input, node.output, f"prelu/{node.name}"
    kernels = {f"{name}.minus": np.full_like(slope, -1.0), f"{name}.slope": -slope}
    for kernel, values in kernels.items():
        proto.graph.initializer.append(numpy_helper.from_array(values, kernel))

    def made(kind: str, inputs: list[str], output: str, **options: Any) -> Any:
        return helper.make_node(kind, inputs, [output], name=f"{output}.{kind}", **options)

    above, minus, below, falling = (f"{name}.{part}" for part in ("above", "negative", "below", "falling"))
    minus_one, by_slope = kernels
    return [
        made("Relu", [images], above),
        made("Conv", [images, minus_one], minus, group=len(slope)),
        made("Relu", [minus], below),
        made("Conv", [below, by_slope], falling, group=len(slope)),
        helper.make_node("Add", [above, falling], [output], name=f"{name}.Add"),
    ]


def store_half(proto: Any) -> None:
    """Store the networks' weights as float16; each is made float32 when the file is opened, which costs no run."""
    from onnx import TensorProto, numpy_helper

    for weight, _ in _weights(proto):
        values = numpy_helper.to_array(weight)
        if np.abs(values).max() <= np.finfo(np.float16).max:
            _replace(proto, weight, values.astype(np.float16), [_cast(weight.name, TensorProto.FLOAT)])


def store_int8(proto: Any) -> None:
    """Store the networks' weights as int8 with a scale for each output channel; computing stays float32.

    Cast and Mul are folded when the file is opened. DequantizeLinear would not be: ONNX Runtime keeps it, and every run
    would be slower.
    """
    from onnx import TensorProto, helper, numpy_helper

    for weight, axis in _weights(proto):
        values = numpy_helper.to_array(weight)
        others = tuple(index for index in range(values.ndim) if index != axis % values.ndim)
        scales = np.maximum(np.abs(values).max(axis=others, keepdims=True), np.finfo(np.float32).tiny) / 127
        whole = np.rint(values / scales).astype(np.int8)
        name = weight.name
        proto.graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), f"{name}.scale"))
        multiply = helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name], name=f"{NETWORKS}{name}.scaled")
        _replace(proto, weight, whole, [_cast(name, TensorProto.FLOAT, f"{name}.float"), multiply])


def _weights(proto: Any) -> Iterator[tuple[Any, int]]:
    """Yield the larger weights of layers in networks, each once, with the axis of its output channels."""
    initializers = {tensor.name: tensor for tensor in proto.graph.initializer if math.prod(tensor.dims) >= SMALL}
    found: dict[str, int] = {}
    for node in proto.graph.node:
        if node.name.startswith(NETWORKS) and node.op_type in CHANNEL_AXIS and node.input[1] in initializers:
            plain_gemm = node.op_type == "Gemm" and not any(at.name == "transB" and at.i for at in node.attribute)
            found.setdefault(node.input[1], 1 if plain_gemm else CHANNEL_AXIS[node.op_type])
    for name, axis in found.items():
        yield initializers[name], axis


def _cast(name: str, kind: int, output: str | None = None) -> Any:
    from onnx import helper

    return helper.make_node("Cast", [f"{name}.stored"], [output or name], name=f"{NETWORKS}{name}.cast", to=kind)


def _replace(proto: Any, weight: Any, values: np.ndarray, nodes: list[Any]) -> None:
    """Store other values in the place of a weight, and put the nodes that restore it before all others."""
    from onnx import numpy_helper

    weight.CopyFrom(numpy_helper.from_array(values, f"{weight.name}.stored"))
    for place, node in enumerate(nodes):
        proto.graph.node.insert(place, node)


def network_nodes(proto: Any) -> list[str]:
    """List the names of the nodes that lie in networks."""
    return [node.name for node in proto.graph.node if node.name.startswith(NETWORKS)]


def digest(proto: Any) -> str:
    """Return the SHA-256 of the graph's weights, as the file will say it."""
    return weights_sha256(proto.SerializeToString())


def with_facts(proto: Any, facts: Facts) -> bytes:
    """Return the file's bytes with these facts in them, and a digest that proves both."""
    del proto.metadata_props[:]
    for key, value in facts.metadata().items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    return seal(proto.SerializeToString())

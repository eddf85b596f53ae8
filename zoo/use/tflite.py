"""Reads a TensorFlow Lite network of convolutions and turns it into ONNX; BlazeFace comes as such a file.

A TensorFlow Lite file is a flatbuffer: a table starts with the distance back to its vtable, which says at which offset
each field stands, if it is there. Kernels keep images as [N,H,W,C], ONNX as [N,C,H,W]: the converted graph turns its
input once, every result of rank four stays turned, and a reshape turns it back first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.use.onnx_file import FLOAT, Value, model, node

ADD, CONV, DEPTHWISE, DEQUANTIZE, POOL, RELU, RESHAPE, RESIZE, PAD = 0, 3, 4, 6, 17, 19, 22, 23, 34
DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
TO_CHANNELS_FIRST = (0, 3, 1, 2)


class NotConvertible(ValueError):
    """A file that is no TensorFlow Lite network, or that does something for which nothing stands here."""


@dataclass(frozen=True)
class Table:
    """A table of a flatbuffer."""

    data: bytes
    place: int

    def _unpack(self, kind: str, place: int) -> int:
        return int(struct.unpack_from(f"<{kind}", self.data, place)[0])

    def _field(self, number: int) -> int | None:
        """Where a field stands; None where it has its default."""
        vtable = self.place - self._unpack("i", self.place)
        slot = 4 + 2 * number
        offset = self._unpack("H", vtable + slot) if slot < self._unpack("H", vtable) else 0
        return self.place + offset if offset else None

    def number(self, field: int, kind: str = "i", default: int = 0) -> int:
        """An integer; `kind` is `i` for 32 bits, `b` for 8."""
        place = self._field(field)
        return default if place is None else self._unpack(kind, place)

    def table(self, field: int) -> Table | None:
        """A table within the table."""
        place = self._field(field)
        return None if place is None else Table(self.data, place + self._unpack("I", place))

    def _vector(self, field: int) -> tuple[int, int]:
        """Where a vector's first entry stands, and how many entries there are."""
        place = self._field(field)
        if place is None:
            return 0, 0
        start = place + self._unpack("I", place)
        return start + 4, self._unpack("I", start)

    def numbers(self, field: int) -> tuple[int, ...]:
        """A vector of 32-bit integers."""
        start, length = self._vector(field)
        return struct.unpack_from(f"<{length}i", self.data, start)

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        start, length = self._vector(field)
        places = range(start, start + 4 * length, 4)
        return [Table(self.data, place + self._unpack("I", place)) for place in places]

    def raw(self, field: int) -> bytes:
        """A vector of bytes."""
        start, length = self._vector(field)
        return self.data[start : start + length]


def to_onnx(data: bytes) -> bytes:
    """Return a TensorFlow Lite network as a serialised ONNX model with input `image` and outputs `output0`, ...

    The input is float32 [1,H,W,C] as before; an output of rank four is [1,C,H,W]. Raises NotConvertible.
    """
    try:
        return _Converter(data).converted()
    except (struct.error, IndexError, KeyError, TypeError, AttributeError) as error:
        raise NotConvertible(f"no network that can be converted: {type(error).__name__}: {error}") from error


class _Converter:
    """Goes through the operators of a network in order; `names` and `constants` are what its tensors became."""

    def __init__(self, data: bytes) -> None:
        if data[4:8] != b"TFL3":
            raise NotConvertible("no TensorFlow Lite file")
        root = Table(data, struct.unpack_from("<I", data)[0])
        # A code up to 127 stands in an old field of eight bits, any code in a later one.
        self.codes = [max(code.number(0, "b"), code.number(3)) for code in root.tables(1)]
        self.buffers = root.tables(4)
        self.graph = root.tables(2)[0]
        self.tensors = self.graph.tables(0)
        self.names: dict[int, str] = {}
        self.constants: dict[int, np.ndarray] = {}
        self.nodes: list[bytes] = []
        self.weights: dict[str, np.ndarray] = {}

    def converted(self) -> bytes:
        (source,) = self.graph.numbers(1)
        self.nodes.append(node("Transpose", ["image"], "turned", perm=TO_CHANNELS_FIRST))
        self.names[source] = "turned"
        for operator in self.graph.tables(3):
            self._operator(operator)
        outputs = []
        for number, tensor in enumerate(self.graph.numbers(2)):
            self.nodes.append(node("Identity", [self.names[tensor]], f"output{number}"))
            shape = self._shape(tensor)
            turned = [shape[axis] for axis in TO_CHANNELS_FIRST] if len(shape) == 4 else shape
            outputs.append(Value(f"output{number}", FLOAT, turned))
        return model(self.nodes, self.weights, [Value("image", FLOAT, self._shape(source))], outputs)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return self.tensors[tensor].numbers(0)

    def _constant(self, tensor: int) -> np.ndarray:
        """The numbers of a tensor that no operator computes, but a dequantisation may stand before."""
        if tensor not in self.constants:
            table = self.tensors[tensor]
            raw = self.buffers[table.number(2, "I")].raw(0)
            self.constants[tensor] = np.frombuffer(raw, DTYPES[table.number(1, "b")]).reshape(self._shape(tensor))
        return self.constants[tensor]

    def _weight(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = values
        return name

    def _operator(self, operator: Table) -> None:
        code = self.codes[operator.number(0)]
        (result,) = operator.numbers(2)
        inputs, options = operator.numbers(1), operator.table(4)
        if code == DEQUANTIZE:
            self.constants[result] = self._constant(inputs[0]).astype(np.float32)
            return
        if code not in _CONVERT:
            raise NotConvertible(f"it has the operator {code}, which nothing here converts")
        operation, operands, attributes = _CONVERT[code](self, inputs, result, options)
        name = self.names[result] = f"t{result}"
        self.nodes.append(node(operation, operands, name, **attributes))


Converted = tuple[str, list[str], dict[str, Any]]  # ONNX operator, its inputs, its attributes


def _windows(options: Table, rows: int, columns: int) -> dict[str, Any]:
    """Padding and strides; TensorFlow's SAME puts the odd pixel behind, as ONNX's SAME_UPPER does."""
    padding = "SAME_UPPER" if options.number(0, "b") == 0 else "VALID"
    return {"auto_pad": padding, "strides": (options.number(rows), options.number(columns))}


def _activated(options: Table, field: int) -> None:
    if options.number(field, "b"):
        raise NotConvertible("it has an activation fused into another operator, which nothing here converts")


def _convolution(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    assert options is not None
    _activated(options, 3)
    kernel = self._constant(inputs[1]).transpose(TO_CHANNELS_FIRST)  # [O,H,W,I] -> [O,I,H,W]
    operands = [self.names[inputs[0]], self._weight(kernel), self._weight(self._constant(inputs[2]))]
    return "Conv", operands, _windows(options, 2, 1)


def _depthwise(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    assert options is not None
    _activated(options, 4)
    kernel = self._constant(inputs[1]).transpose(3, 0, 1, 2)  # [1,H,W,C] -> [C,1,H,W]
    operands = [self.names[inputs[0]], self._weight(kernel), self._weight(self._constant(inputs[2]))]
    return "Conv", operands, {"group": self._shape(inputs[0])[3], **_windows(options, 2, 1)}


def _pool(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    assert options is not None
    _activated(options, 5)
    sides = (options.number(4), options.number(3))
    return "MaxPool", [self.names[inputs[0]]], {"kernel_shape": sides, **_windows(options, 2, 1)}


def _add(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    if options is not None:
        _activated(options, 0)
    return "Add", [self.names[one] for one in inputs], {}


def _relu(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    return "Relu", [self.names[inputs[0]]], {}


def _pad(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    amounts = self._constant(inputs[1])[list(TO_CHANNELS_FIRST)].T  # [4,2] -> before, behind
    return "Pad", [self.names[inputs[0]], self._weight(amounts.ravel().astype(np.int64))], {}


def _resize(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    assert options is not None
    if options.number(2, "b") or not options.number(3, "b"):
        raise NotConvertible("it resizes otherwise than between the centres of pixels")
    count, high, wide, channels = self._shape(result)
    sizes = self._weight(np.array([count, channels, high, wide], dtype=np.int64))
    return "Resize", [self.names[inputs[0]], "", "", sizes], {"mode": "linear"}


def _reshape(self: _Converter, inputs: tuple[int, ...], result: int, options: Table | None) -> Converted:
    turned = f"{self.names[inputs[0]]}_back"
    self.nodes.append(node("Transpose", [self.names[inputs[0]]], turned, perm=(0, 2, 3, 1)))
    return "Reshape", [turned, self._weight(np.array(self._shape(result), dtype=np.int64))], {}


_CONVERT: dict[int, Callable[[_Converter, tuple[int, ...], int, Table | None], Converted]] = {
    ADD: _add,
    CONV: _convolution,
    DEPTHWISE: _depthwise,
    PAD: _pad,
    POOL: _pool,
    RELU: _relu,
    RESHAPE: _reshape,
    RESIZE: _resize,
}

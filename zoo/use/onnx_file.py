"""The bytes of an ONNX file without the package `onnx`: its hashes, and a writer of small models.

An ONNX file is a message of protocol buffers: a row of fields, each a key (its number, and how its value is written)
and a value. The numbers of fields below are those of onnx.proto3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # how a value is written
GRAPH, INITIALIZER = 7, 5  # of ModelProto, of GraphProto
NUMBERS = (4, 5, 7, 9, 10, 11)  # of TensorProto: float_data, int32_data, int64_data, raw_data, double_data, uint64_data
FLOAT, INT64 = 1, 7  # types of elements
OPSET, IR_VERSION = 20, 9
METADATA_PROPS, SEAL = 14, "file_sha256"  # of ModelProto, and the entry that proves all bytes before it


def weights_sha256(model: bytes) -> str:
    """Return the SHA-256 of the numbers of all initializers of a serialised ONNX model, in the order of the file.

    Raises ValueError where the bytes are no ONNX model.
    """
    digest = hashlib.sha256()
    for graph in _values(memoryview(model), GRAPH):
        for tensor in _values(graph, INITIALIZER):
            for number, value in fields(tensor):
                if number in NUMBERS and isinstance(value, memoryview):
                    digest.update(value)
    return digest.hexdigest()


def seal(model: bytes) -> bytes:
    """Return a serialised ONNX model with a last entry in its metadata: the SHA-256 of all bytes before it."""
    return model + _seal_of(model)


def is_sealed(model: bytes) -> bool:
    """Say whether the SHA-256 at the end of a model proves its bytes; models from elsewhere have none."""
    return model.endswith(_seal_of(model[: -len(_seal_of(b""))]))


def _seal_of(model: bytes) -> bytes:
    return _field(METADATA_PROPS, _field(1, SEAL) + _field(2, hashlib.sha256(model).hexdigest()))


def _values(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The messages in one field."""
    for number, value in fields(message):
        if number == wanted and isinstance(value, memoryview):
            yield value


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field: an integer, or the bytes of text, arrays, floats and messages.

    Raises ValueError where the bytes are no such message.
    """
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        kind = key & 7
        if kind == VARINT:
            whole, place = _read_varint(message, place)
            yield key >> 3, whole
            continue
        if kind == BYTES:
            size, place = _read_varint(message, place)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind, len(message) + 1)
        if place + size > len(message):
            raise ValueError("no ONNX file: a field does not end where it should")
        yield key >> 3, message[place : place + size]
        place += size


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    """The integer at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("no ONNX file: a number does not end where it should")


# Writing


class Value(NamedTuple):
    """An input or output of a graph."""

    name: str
    kind: int
    shape: Sequence[int]


def model(
    nodes: Iterable[bytes], weights: Mapping[str, np.ndarray], inputs: Iterable[Value], outputs: Iterable[Value]
) -> bytes:
    """Return a serialised model of nodes, each made by `node`, and of weights, float32 or int64."""
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, "graph")
    graph += b"".join(_field(INITIALIZER, _tensor(name, values)) for name, values in weights.items())
    graph += b"".join(_field(11, _value_info(one)) for one in inputs)
    graph += b"".join(_field(12, _value_info(one)) for one in outputs)
    return _field(1, IR_VERSION) + _field(GRAPH, graph) + _field(8, _field(1, "") + _field(2, OPSET))


def node(operation: str, inputs: Iterable[str], output: str, **attributes: str | int | Sequence[int]) -> bytes:
    """Return one operation; an input that is left out is an empty name."""
    message = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, operation)
    return message + b"".join(_field(5, _attribute(name, value)) for name, value in attributes.items())


def _attribute(name: str, value: str | int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, 2)
    if isinstance(value, str):
        return _field(1, name) + _field(4, value) + _field(20, 3)
    return _field(1, name) + b"".join(_field(8, one) for one in value) + _field(20, 7)


def _tensor(name: str, values: np.ndarray) -> bytes:
    kind = {"f": FLOAT, "i": INT64}[values.dtype.kind]
    sizes = b"".join(_field(1, size) for size in values.shape)
    return sizes + _field(2, kind) + _field(8, name) + _field(9, np.ascontiguousarray(values).tobytes())


def _value_info(value: Value) -> bytes:
    sizes = b"".join(_field(1, _field(1, size)) for size in value.shape)
    return _field(1, value.name) + _field(2, _field(1, _field(1, value.kind) + _field(2, sizes)))


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])

"""The bytes of an ONNX file, without the package `onnx`: the hash of its weights.

An ONNX file is a message of protocol buffers: a row of fields, each a key (its number, and how its value is written)
and a value. `ModelProto` holds the graph as field 7, `GraphProto` an initializer as field 5, `TensorProto` its numbers
in one of the fields below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # how a value is written
GRAPH, INITIALIZER = 7, 5
NUMBERS = (4, 5, 7, 9, 10, 11)  # float_data, int32_data, int64_data, raw_data, double_data, uint64_data


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
        key, place = _varint(message, place)
        kind = key & 7
        if kind == VARINT:
            whole, place = _varint(message, place)
            yield key >> 3, whole
            continue
        if kind == BYTES:
            size, place = _varint(message, place)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind, len(message) + 1)
        if place + size > len(message):
            raise ValueError("no ONNX file: a field does not end where it should")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """The integer at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("no ONNX file: a number does not end where it should")

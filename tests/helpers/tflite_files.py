"""Small TensorFlow Lite files, written by the package `flatbuffers`, which comes with onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

KINDS = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2}
Slot = tuple[str, int]  # how a number is stored in a table of options, and the number


class File:
    """A network under construction: tensors by number, operators in order."""

    def __init__(self) -> None:
        self.builder: Any = pytest.importorskip("flatbuffers").Builder(0)
        self.buffers: list[np.ndarray] = [np.empty(0, np.uint8)]
        self.tensors: list[tuple[Sequence[int], int, int]] = []
        self.codes: list[int] = []
        self.operators: list[tuple[int, Sequence[int], Sequence[int], Sequence[Slot | None]]] = []

    def tensor(self, *shape: int, values: np.ndarray | None = None) -> int:
        """A tensor that operators compute, or one with values."""
        kind = 0
        if values is not None:
            shape, kind = values.shape, KINDS[values.dtype]
            self.buffers.append(values)
        self.tensors.append((shape, kind, len(self.buffers) - 1 if values is not None else 0))
        return len(self.tensors) - 1

    def operator(self, code: int, inputs: Sequence[int], output: int, *options: Slot | None) -> int:
        """An operator; `options` are the fields of its table in order, None for a default. Returns the output."""
        self.codes.append(code)
        self.operators.append((len(self.codes) - 1, inputs, [output], options))
        return output

    def written(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The whole file."""
        build = self.builder
        operators = self._tables([self._operator(*one) for one in self.operators])
        tensors = self._tables([self._tensor(*one) for one in self.tensors])
        ends = self._ints(inputs), self._ints(outputs)
        graph = self._table(4, {0: ("offset", tensors), 1: ("offset", ends[0]), 2: ("offset", ends[1]),
                                3: ("offset", operators)})  # fmt: skip
        codes = self._tables([self._table(4, {3: ("int32", code)}) for code in self.codes])
        buffers = self._tables([self._table(1, {0: ("offset", self._bytes(one))}) for one in self.buffers])
        graphs = self._tables([graph])
        root = self._table(5, {0: ("int32", 3), 1: ("offset", codes), 2: ("offset", graphs), 4: ("offset", buffers)})
        build.Finish(root, file_identifier=b"TFL3")
        return bytes(build.Output())

    def _operator(
        self, code: int, inputs: Sequence[int], outputs: Sequence[int], options: Sequence[Slot | None]
    ) -> int:
        table = self._table(len(options), {number: slot for number, slot in enumerate(options) if slot is not None})
        its = self._ints(inputs), self._ints(outputs)
        slots = {0: ("int32", code), 1: ("offset", its[0]), 2: ("offset", its[1]), 4: ("offset", table)}
        return self._table(5, slots)

    def _tensor(self, shape: Sequence[int], kind: int, buffer: int) -> int:
        return self._table(3, {0: ("offset", self._ints(shape)), 1: ("int8", kind), 2: ("int32", buffer)})

    def _table(self, fields: int, slots: dict[int, Slot]) -> int:
        build = self.builder
        add: dict[str, Callable[[int, int, int], None]] = {
            "offset": build.PrependUOffsetTRelativeSlot, "int32": build.PrependInt32Slot, "int8": build.PrependInt8Slot,
        }  # fmt: skip
        build.StartObject(fields)
        for number, (kind, value) in slots.items():
            add[kind](number, value, 0)
        return int(build.EndObject())

    def _vector(self, size: int, values: Sequence[int], prepend: Callable[[int], None]) -> int:
        self.builder.StartVector(size, len(values), size)
        for value in reversed(values):
            prepend(value)
        return int(self.builder.EndVector())

    def _ints(self, values: Sequence[int]) -> int:
        return self._vector(4, values, self.builder.PrependInt32)

    def _tables(self, places: Sequence[int]) -> int:
        return self._vector(4, places, self.builder.PrependUOffsetTRelative)

    def _bytes(self, values: np.ndarray) -> int:
        return int(self.builder.CreateByteVector(values.tobytes()))

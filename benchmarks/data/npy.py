"""Arrays that others stored as NumPy does: a header is judged before memory is taken for what it claims.

np.load takes that memory first, reads headers of any length, and advises whoever finds Python objects to unpickle them.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.lib import format as npy

from benchmarks.data.errors import first_line

VERSIONS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
"""Bytes of the header's length, and what reads the header; version 3 is for fields, which no array here has."""
LONGEST = 10_000  # bytes of a header, as NumPy itself has it
PIECE = 2**24  # bytes that are read at a time, so that no memory is taken for what is not there


@dataclass(frozen=True)
class Header:
    """What an array claims to be."""

    shape: tuple[int, ...]
    dtype: np.dtype
    columns_first: bool = False

    @property
    def bytes(self) -> int:
        """The size of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def read_header(stream: IO[bytes]) -> Header:
    """Read the header at the beginning of a stream, which then stands at the values; raise ValueError."""
    magic = stream.read(npy.MAGIC_LEN)
    if not magic.startswith(npy.MAGIC_PREFIX):
        raise ValueError("is no array as np.save writes it")
    version = (magic[-2], magic[-1]) if len(magic) == npy.MAGIC_LEN else (0, 0)
    if version not in VERSIONS:
        raise ValueError(f"is an array of the version {version[0]}.{version[1]}, which is not read")
    width, parse = VERSIONS[version]
    length = stream.read(width)
    if (claimed := int.from_bytes(length, "little")) > LONGEST:
        raise ValueError(f"has a header of {claimed:,} bytes")
    try:
        shape, columns_first, dtype = parse(io.BytesIO(length + stream.read(claimed)))
    except Exception as error:  # NumPy parses it as Python, which damaged text makes stumble in many ways
        raise ValueError(f"has a header that cannot be read ({first_line(error)})") from error
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are never read; numbers or text are needed")
    if any(length < 0 for length in shape):
        raise ValueError(f"has the shape {list(shape)}")
    return Header(shape, dtype, columns_first)


def read_values(stream: IO[bytes], header: Header) -> np.ndarray:
    """Read what follows a header; raise ValueError where it is less or more than the header says."""
    content = bytearray()
    while len(content) < header.bytes and (piece := stream.read(min(PIECE, header.bytes - len(content)))):
        content += piece
    if len(content) < header.bytes or stream.read(1):  # the latter also has an archive check what was read
        raise ValueError(f"holds {'less' if len(content) < header.bytes else 'more'} than its header says")
    values = np.frombuffer(content, header.dtype) if content else np.empty(math.prod(header.shape), header.dtype)
    return values.reshape(header.shape, order="F" if header.columns_first else "C")

"""What is done to the bytes of a whole file, by chance: each takes its content and a generator, and returns others."""

from __future__ import annotations

import re

import numpy as np

NUMBERS = (
    b"1e999",
    b"-0",
    b"nan",
    b"9" * 400,
    b"0x1",
    b'"',
    b"\x00",
    b"\xff\xfe",
    b"",
    b"=1+1",
    b"\x1b[31m",
    b"(" * 500,
    b",",
)
"""What stands where a number or a word did."""


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    """Flip up to eight bits."""
    changed = bytearray(content)
    for place in random.integers(0, len(changed), random.integers(1, 9)):
        changed[place] ^= 1 << int(random.integers(0, 8))
    return bytes(changed)


def zeroed(content: bytes, random: np.random.Generator) -> bytes:
    """Put zeros in the place of up to 200 bytes."""
    start, length = int(random.integers(0, len(content))), int(random.integers(1, 200))
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def cut(content: bytes, random: np.random.Generator) -> bytes:
    """Cut the end off, or bytes out."""
    start, length = int(random.integers(0, len(content))), int(random.integers(1, 500))
    return content[:start] + (content[start + length :] if length % 2 else b"")


def repeated(content: bytes, random: np.random.Generator) -> bytes:
    """Write some bytes three times."""
    start, length = int(random.integers(0, len(content))), int(random.integers(1, 500))
    return content[:start] + content[start : start + length] * 3 + content[start + length :]


def texts(content: bytes, random: np.random.Generator) -> bytes:
    """A number or a word of a header replaced."""
    found = list(re.finditer(rb"\d+|[A-Za-z]{2,}", content[:2000] if random.integers(0, 2) else content))
    word = found[int(random.integers(0, len(found)))]
    return content[: word.start()] + NUMBERS[int(random.integers(0, len(NUMBERS)))] + content[word.end() :]


def cells(content: bytes, random: np.random.Generator) -> bytes:
    """Replace up to four cells of a table, or what parts them."""
    cells = re.split(rb"([,\n])", content)
    for place in random.integers(0, len(cells), random.integers(1, 5)):
        cells[place] = NUMBERS[int(random.integers(0, len(NUMBERS)))]
    return b"".join(cells)


def archive(content: bytes, random: np.random.Generator) -> bytes:
    """A field of a zip archive's own: flags, among them that of encryption, methods, sizes, names."""
    changed = bytearray(content)
    heads = [match.start() for match in re.finditer(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06", content)]
    head = heads[int(random.integers(0, len(heads)))]
    place = head + int(random.integers(4, 48))
    changed[place : place + 2] = bytes(random.choice([0, 1, 8, 12, 14, 93, 99, 255], 2).astype(np.uint8))
    return bytes(changed[: len(content)])


BYTES = (flipped, zeroed, cut, repeated)

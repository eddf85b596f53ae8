"""Files of predictions made elsewhere that are wrong in ways that seeds choose."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from benchmarks.external.incoming import SPLITS, Expected
from benchmarks.store.targets import Targets
from tests.helpers.generated import FACES
from tests.helpers.mutations import BYTES, NUMBERS, archive, cells, texts

COUNTS = {"val": 40, "test": 50}
CLAIMS = (  # what the header of an array may say, in place of its shape
    b"(40000000000,)", b"(40, 10000000000)", b"(4294967296, 4294967296)", b"(-40, 7)", b"(40, 7.0)", b"((((40))))",
    b"(True, 7)", b"()", b"(0, 7)", b"[40, 7]", b"(40,7,1)", b"__import__('os')", b"(" * 3000, b"{40: 7}", b"(1e9, 7)",
)  # fmt: skip
KINDS = (
    b"'O'",
    b"'<f8', ",
    b"'|V99999999'",
    b"'<U100000000'",
    b"'<c16'",
    b"'<M8[s]'",
    b"[('a', '<f8')]",
    b"'>f2'",
    b"'?'",
    b"None",
)


def expected() -> Expected:
    return Expected(FACES, {"val": "PublicTest", "test": "PrivateTest"}, COUNTS)


def targets() -> Targets:
    """Random answers that know the official order."""
    random = np.random.default_rng(3)
    val, test = (random.integers(0, 7, count) for count in COUNTS.values())
    rows = np.arange(90, dtype=np.int32)
    return Targets(val, test, "f" * 32, FACES, 700, rows[:40], rows[40:])


def logits() -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    return {split: random.normal(size=(count, 7)) for split, count in COUNTS.items()}


def npz() -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {**logits(), "val_ids": np.arange(40), "test_ids": np.arange(50)}
    np.savez_compressed(file, **arrays, classes=np.array(FACES))
    return file.getvalue()


def stored_npz() -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {**logits(), "other": np.arange(9)}
    np.savez(file, **arrays)
    return file.getvalue()


def safetensors() -> bytes:
    return save({**logits(), "val_ids": np.arange(40)}, {"classes": ",".join(FACES)})


def columns() -> dict[str, list[object]]:
    rows = [(split, row, *values) for split in SPLITS for row, values in enumerate(logits()[split])]
    return {name: list(column) for name, column in zip(("split", "id", *FACES), zip(*rows, strict=True), strict=True)}


def csv_table() -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns())
    writer.writerows(zip(*columns().values(), strict=True))
    return file.getvalue().encode()


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns()), file)
    return file.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "compressed.npz": npz,
    "stored.npz": stored_npz,
    "mine.safetensors": safetensors,
    "mine.csv": csv_table,
    "mine.parquet": parquet,
}


def mutated(name: str, content: bytes, seed: int) -> bytes:
    """The content of a file of that name with something done to it."""
    random = np.random.default_rng([seed, len(content)])
    ways = [*BYTES, _exchanged]
    ways += {"npz": [archive, _claims, _claims], "csv": [cells, cells]}.get(name.rpartition(".")[2], [texts])
    return ways[seed % len(ways)](content, random)


def _exchanged(content: bytes, random: np.random.Generator) -> bytes:
    """Another file's beginning or end."""
    other = list(WHOLE.values())[int(random.integers(0, len(WHOLE)))]()
    start = int(random.integers(0, 300))
    return other[:start] + content[start:] if start % 2 else content[:-start] + other[-start:]


def _claims(content: bytes, random: np.random.Generator) -> bytes:
    """Other members, or an array whose header claims something else."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        name = list(members)[int(random.integers(0, len(members)))]
        match int(random.integers(0, 4)):
            case 0:
                claim = CLAIMS[int(random.integers(0, len(CLAIMS)))]
                members[name] = _with_header(members[name], rb"\([\d, ]*\)", claim)
            case 1:
                members[name] = _with_header(
                    members[name], rb"'[<|>][a-zA-Z]\d+'", KINDS[int(random.integers(0, len(KINDS)))]
                )
            case 2:
                members[name] = NUMBERS[int(random.integers(0, len(NUMBERS)))] * int(random.integers(1, 50))
            case _:
                members["\x1b[31m" * 40 + "../x.npy"] = members.pop(name)
        for member, data in members.items():
            new.writestr(member, data)
    return file.getvalue()


def _with_header(array: bytes, found: bytes, instead: bytes) -> bytes:
    length = int.from_bytes(array[8:10], "little")
    header = re.sub(found, lambda _: instead, array[10 : 10 + length], count=1)
    return array[:8] + min(len(header), 65535).to_bytes(2, "little") + header + array[10 + length :]


def write(folder: Path, name: str, seed: int) -> Path:
    """Write the mutated file of that name and seed."""
    path = folder / name
    path.write_bytes(mutated(name, WHOLE[name](), seed))
    return path


def lying_parquet(content: bytes) -> bytes:
    """A parquet file whose last page says that it unfolds to 2 GB; nothing else of it changes.

    The page's header is three numbers, each behind the byte 0x15: its kind, its size unfolded, its size in the file. A
    longer second number takes its place from the page, whose own size is made that much smaller.
    """
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    about = pq.ParquetFile(io.BytesIO(content)).metadata
    start = max(about.row_group(0).column(place).data_page_offset for place in range(about.num_columns))
    kind, place = _number(content, start + 1)
    unfolded, second = _number(content, place + 1)
    stored, body = _number(content, second + 1)
    claim = _zigzag(2**31 - 1)
    longer = len(claim) - len(_zigzag(unfolded))
    small = _zigzag(stored - longer)
    assert (kind, len(small)) == (0, len(_zigzag(stored)))
    header = b"\x15" + _zigzag(kind) + b"\x15" + claim + b"\x15" + small
    return content[:start] + header + content[body : footer - longer] + content[footer:]


def _number(content: bytes, place: int) -> tuple[int, int]:
    """An integer of thrift's compact protocol, and the place behind it."""
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return (value >> 1) ^ -(value & 1), place


def _zigzag(value: int) -> bytes:
    rest, written = (value << 1) ^ (value >> 63), bytearray()
    while rest > 127:
        written.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*written, rest])

"""Files of predictions made elsewhere that are damaged or mean harm: refused in one line, and never with gigabytes."""

from __future__ import annotations

import io
import resource
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.external.alignment import align
from benchmarks.external.formats import read
from tests.helpers.damage import SEEDS
from tests.helpers.generated import FACES
from tests.helpers.hostile_predictions import COUNTS, WHOLE, expected, logits, lying_parquet, targets, write
from tests.helpers.patience import patience

LONGEST = 600


def refusal(path: Path) -> str | None:
    """Why a file is refused; None where it is taken. Any error but ValueError fails."""
    with patience(20), np.errstate(all="ignore"):
        try:
            incoming = read(path, expected())
        except ValueError as error:
            return str(error)
        try:
            found = align(incoming, targets(), expected())
        except ValueError as error:
            return f"{path.name}: {error}"  # as its only caller says it
    assert found.val.shape == (40, 7) and np.isfinite(found.val).all() and np.isfinite(found.test).all()
    return None


def check_message(message: str, path: Path) -> None:
    assert len(message) < LONGEST and message.isprintable(), message
    assert "pickle" not in message.lower(), "no advice to unpickle it"


@pytest.mark.parametrize("name", WHOLE)
def test_a_mutated_file_is_taken_or_refused_in_one_line(name: str, tmp_path: Path):
    refused = 0
    for seed in range(SEEDS):
        message = refusal(write(tmp_path, name, seed))
        if message is not None:
            check_message(message, tmp_path / name)
            assert name in message, message
            refused += 1
    assert refused > SEEDS // 10


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_file_is_taken(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(WHOLE[name]())
    assert refusal(tmp_path / name) is None


def header_of(shape: str, kind: str = "<f8", length: int | None = None) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x02\x00" + (len(text) if length is None else length).to_bytes(4, "little") + text


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


BOMBS = {
    "many rows": header_of("(8000000, 7)") + bytes(2**24),
    "40 GB": header_of("(40000000000, 1)"),
    "a header of 4 GB": header_of("(40, 7)", length=2**32 - 1) + bytes(2**24),
    "wide text": header_of("(40,)", "<U10000000") + bytes(2**24),
    "more than it says": header_of("(40, 7)") + bytes(2**24),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("place", ["val", "test", "val_ids", "classes"])
def test_an_archive_takes_no_memory_for_what_its_headers_claim(bomb: bytes, place: str, tmp_path: Path):
    path = archive(tmp_path / "bomb.npz", **{**{split: array(part) for split, part in logits().items()}, place: bomb})
    assert path.stat().st_size < 400_000
    tracemalloc.start()
    message = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message is not None
    check_message(message, path)
    assert peak < 12e6


def test_python_objects_are_refused_without_advice_to_read_them(tmp_path: Path):
    np.savez(tmp_path / "mine.npz", val=np.array([{}], dtype=object), test=np.zeros((50, 7)))
    message = str(refusal(tmp_path / "mine.npz"))
    assert "val holds Python objects, which are never read" in message
    (tmp_path / "bare.npz").write_bytes(b"\x80\x04\x95pickled")
    check_message(str(refusal(tmp_path / "bare.npz")), tmp_path / "bare.npz")


def test_an_encrypted_archive_and_odd_methods_are_named(tmp_path: Path):
    content = bytearray(WHOLE["compressed.npz"]())
    for head in (b"PK\x01\x02", b"PK\x03\x04"):
        place = content.index(head)
        content[place + (8 if head == b"PK\x01\x02" else 6)] |= 1
    (tmp_path / "mine.npz").write_bytes(content)
    assert "encrypted" in str(refusal(tmp_path / "mine.npz"))


def table(rows: int, **others: object) -> pa.Table:
    columns = {
        "split": pa.array(["val"] * rows).dictionary_encode(),
        **{name: pa.nulls(rows, pa.float64()) for name in FACES},
    }
    return pa.table({**columns, **others})


def test_a_parquet_of_few_bytes_and_many_rows_is_not_read(tmp_path: Path):
    pq.write_table(table(300_000), tmp_path / "mine.parquet")
    assert (tmp_path / "mine.parquet").stat().st_size < 200_000
    before = pa.total_allocated_bytes()
    message = str(refusal(tmp_path / "mine.parquet"))
    assert "holds 300,000 rows" in message and pa.total_allocated_bytes() - before < 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_page_that_claims_gigabytes_is_not_given_them(tmp_path: Path):
    path = tmp_path / "mine.parquet"
    path.write_bytes(lying_parquet(WHOLE["mine.parquet"]()))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    message = str(refusal(path))
    check_message(message, path)
    assert "cannot be read as parquet" in message and "2147483648" in message, "it asked, and got nothing"
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_long_texts_in_a_parquet_are_not_repeated_for_every_row(tmp_path: Path):
    names = pa.DictionaryArray.from_arrays(pa.array([0] * sum(COUNTS.values())), pa.array(["x" * 2_000_000]))
    pq.write_table(table(sum(COUNTS.values()), split=names), tmp_path / "mine.parquet")
    message = str(refusal(tmp_path / "mine.parquet"))
    check_message(message, tmp_path / "mine.parquet")


@pytest.mark.parametrize(
    "text",
    [
        "a," * 400_000 + "\n",
        "split," + ",".join(FACES) + "\n" + "val,1,1,1,1,1,1,1\n" * 300_000,
        "split," + ",".join(FACES) + "\n" + '"' * 1_000_000,
        "\n" * 1_000_000,
        "",
    ],
    ids=["a million columns", "many rows", "an open quote", "empty lines", "nothing"],
)
def test_a_csv_that_is_none_is_refused(text: str, tmp_path: Path):
    (tmp_path / "mine.csv").write_text(text)
    check_message(str(refusal(tmp_path / "mine.csv")), tmp_path / "mine.csv")


@pytest.mark.parametrize("name", ["mine.exe", "mine", "\x1b[31m.npz", "x" * 240 + ".npz"])
def test_the_name_of_a_file_is_harmless_in_the_message(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"")
    check_message(str(refusal(tmp_path / name)).replace(str(tmp_path), ""), tmp_path / name)

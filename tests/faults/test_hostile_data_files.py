"""Damaged files of data sets and of results: read, or refused by an error with one message. Nothing else comes out."""

from __future__ import annotations

import json
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.affectnet.forms import stored_number
from benchmarks.data.errors import DataError
from benchmarks.data.fer2013 import pixel_csv
from benchmarks.data.ferplus.votes import read_votes
from benchmarks.execution import train_list
from benchmarks.results import UnreadableResults, read_results
from tests.helpers.damage import SEEDS
from tests.helpers.hostile_data import FORMS, mutated
from tests.helpers.patience import patience

LONGEST = 1_200  # of a message that names the columns of a table and how to get another one


def refusal(path: Path) -> str | None:
    """Why a file is refused; None where it is read. Any error but ValueError and OSError fails."""
    with patience(20), np.errstate(all="ignore"):
        try:
            FORMS[path.name][1](path)
        except (ValueError, OSError) as error:
            return str(error)
    return None


def check_message(message: str, path: Path) -> None:
    assert 0 < len(message) < LONGEST + len(str(path)), message
    assert path.name in message, message
    assert "pickle" not in message.lower()


@pytest.mark.parametrize("name", FORMS)
def test_a_mutated_file_is_read_or_refused(name: str, tmp_path: Path):
    path, whole, refused = tmp_path / name, FORMS[name][0](), 0
    path.write_bytes(whole)
    assert refusal(path) is None
    for seed in range(SEEDS):
        path.write_bytes(mutated(name, whole, seed))
        message = refusal(path)
        if message is not None:
            check_message(message, path)
            refused += 1
    assert refused > SEEDS // 20


@pytest.mark.parametrize("shape", ["(40000000000,)", "(2, 2)", "(-1,)", "(1,1e9)"])
def test_an_annotation_takes_no_memory_for_what_it_claims(shape: str, tmp_path: Path):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path = tmp_path / "0_val.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(DataError, match=r"0_val\.npy"):
        stored_number(path)


def packed(path: Path, *parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("fer2013.csv", "w") as file:
        for part in parts:
            file.write(part)
    return path


def test_a_packed_table_whose_first_line_never_ends_is_not_read(tmp_path: Path):
    path = packed(tmp_path / "fer2013.zip", b"emotion,pixels,Usage" + b" " * 2**24)
    tracemalloc.start()
    with pytest.raises(DataError, match="its first line has 4,096 characters and more"):
        pixel_csv.read(path)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


def test_more_rows_than_any_copy_has_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.data.fer2013.table.MOST_ROWS", 100)
    row = b"0," + b" ".join([b"1"] * 2304) + b",Training\n"
    path = packed(tmp_path / "fer2013.zip", b"emotion,pixels,Usage\n", row * 2000)
    with pytest.raises(DataError, match="more than 100 rows; FER2013 has 35,887"):
        pixel_csv.read(path)


def test_votes_too_many_for_a_number_are_refused(tmp_path: Path):
    whole = FORMS["fer2013new.csv"][0]()
    (tmp_path / "fer2013new.csv").write_bytes(whole.replace(b"1,1,1", b"9" * 30 + b",1,1", 1))
    with pytest.raises(DataError, match="line 2: ten counts of votes are expected"):
        read_votes(tmp_path / "fer2013new.csv")


def test_results_that_are_nested_without_end_are_refused(tmp_path: Path):
    (tmp_path / "results.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(UnreadableResults, match="cannot be read"):
        read_results(tmp_path / "results.json")
    (tmp_path / "results.json").write_text(json.dumps({"format": "x" * 100_000}))
    with pytest.raises(UnreadableResults) as caught:
        read_results(tmp_path / "results.json")
    assert len(str(caught.value)) < LONGEST


def test_a_number_that_no_float_can_hold_is_no_number(tmp_path: Path):
    path, whole = tmp_path / "results.json", FORMS["results.json"][0]()
    for name in (b'"val_accuracy": ', b'"params": '):
        assert name in whole
        path.write_bytes(re.sub(name + rb"[\d.]+", name + b"9" * 400, whole, count=1))
        with pytest.raises(UnreadableResults, match=rf"results\.json.*{name.decode()[1:-3]} \(no .*number\)") as caught:
            read_results(path)
        assert len(str(caught.value)) < LONGEST


@pytest.mark.parametrize("seed", ["\u00b2", "9" * 5000, "-1", "1.5", ""])
def test_a_seed_of_a_queue_that_is_no_number_is_named_with_its_line(seed: str, tmp_path: Path):
    path = tmp_path / "queue.csv"
    path.write_text(f"suite,member,seed,why\ndigits,mlp,{seed},x\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"queue\.csv, line 2: the seed must be a whole number") as caught:
        train_list.read_list(path)
    assert len(str(caught.value)) < LONGEST

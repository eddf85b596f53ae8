"""Rows and the files they are written to."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.bundles import CLASSES
from tests.helpers.marked_faces import picture
from zoo.use import output
from zoo.use.face import Answer
from zoo.use.output import CSV, JSON_LINES, PARQUET, open_output
from zoo.use.recognizer import Recognizer
from zoo.use.rows import columns, line, rows

COLUMNS = [
    "source", "frame", "seconds", "face", "track", "left", "top", "width", "height", "score", "roll", "pixels", "faces",
    "expression", "probability", *CLASSES, "plausible", "abstained", "doubts", "error",
]  # fmt: skip


@pytest.fixture
def answers(recognise: Recognizer) -> list[Answer]:
    """One with two faces, one without any, one that could not be read, one of a video, one with an awkward name."""
    party, empty = picture([(100, 100, 60), (300, 100, 170)]), picture([])
    found = list(recognise.many([party, empty, np.zeros((2, 2, 2), np.uint8), party, party]))
    found[3] = replace(found[3], frame=12, seconds=0.48, source="clip.mp4")
    found[3].faces[:] = [replace(face, track=7, expression=None) for face in found[3].faces[:1]]
    found[4] = replace(found[4], source='a, "b" é.png')
    return found


def write(path: Path, answers: list[Answer], resume: bool = False, complete: bool = True) -> set[str]:
    file = open_output(path, CLASSES, resume)
    for answer in answers:
        if answer.source not in file.done:
            file.write(rows(answer, CLASSES))
    file.close(complete)
    return file.done


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == CSV:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if path.suffix == JSON_LINES:
        return [json.loads(text) for text in path.read_text(encoding="utf-8").split("\n")[:-1]]
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


def test_the_columns_never_change():
    assert columns(CLASSES) == COLUMNS


def test_each_row_has_every_column_in_order(answers: list[Answer]):
    table = [row for answer in answers for row in rows(answer, CLASSES)]
    assert all(list(row) == COLUMNS for row in table)
    assert [row["face"] for row in table] == [1, 2, None, None, 1, 1, 2]
    assert [row["error"] for row in table[:3]] == [None, None, "no_face"]
    assert table[3]["error"].startswith("unreadable: ") and table[3]["faces"] is None
    assert table[2]["faces"] == "marked", "what looked and found nothing"
    first = table[0]
    assert (first["left"], first["top"], first["width"], first["height"]) == (70, 70, 60, 60)
    assert sum(first[name] for name in CLASSES) == pytest.approx(1, abs=1e-5)
    assert first["probability"] == first[first["expression"]]
    assert (table[4]["track"], table[4]["frame"], table[4]["seconds"]) == (7, 12, 0.48)
    assert (table[4]["expression"], table[4]["abstained"]) == (None, True)


@pytest.mark.parametrize("suffix", [JSON_LINES, CSV, PARQUET])
def test_a_file_holds_the_rows(suffix: str, answers: list[Answer], tmp_path: Path):
    write(tmp_path / "new" / f"faces{suffix}", answers)
    found = read(tmp_path / "new" / f"faces{suffix}")
    expected = [row for answer in answers for row in rows(answer, CLASSES)]
    assert [list(row) for row in found] == [COLUMNS] * len(expected)
    if suffix == CSV:
        for row, given in zip(found, expected, strict=True):
            for name, value in given.items():
                text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
                assert row[name] == (text.lower() if isinstance(value, bool) else text), name
    else:
        assert found == expected
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"faces{suffix}"], "no draft is left"


def test_parquet_that_is_not_complete_is_not_there(answers: list[Answer], tmp_path: Path):
    write(tmp_path / "faces.parquet", answers, complete=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [JSON_LINES, CSV])
@pytest.mark.parametrize("cut", [0, 1, 40, 300, 900, 1100, 1500])
def test_a_cut_file_is_gone_on_with(suffix: str, cut: int, answers: list[Answer], tmp_path: Path):
    path = tmp_path / f"faces{suffix}"
    write(path, answers)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    done = write(path, answers, resume=True)
    assert path.read_bytes() == whole
    assert answers[-1].source not in done, "of the last source, not all rows may be there"


@pytest.mark.parametrize("suffix", [JSON_LINES, CSV])
def test_there_may_be_nothing_to_go_on_with(suffix: str, answers: list[Answer], tmp_path: Path):
    path = tmp_path / f"faces{suffix}"
    assert write(path, answers[:1], resume=True) == set()
    whole = path.read_bytes()
    for content in (b"", whole[:5], whole[: whole.index(b"\n") + 1]):
        path.write_bytes(content)
        write(path, answers[:1], resume=True)
        assert path.read_bytes() == whole


def test_a_name_that_a_spreadsheet_would_compute_has_an_apostrophe_and_is_gone_on_with(
    answers: list[Answer], tmp_path: Path
):
    names = ("=1+1.png", "@x.png", "-y.png", "'=z.png", "+last.png")
    awkward = [replace(answer, source=name) for answer, name in zip(answers, names, strict=True)]
    path = tmp_path / "faces.csv"
    write(path, awkward)
    whole = path.read_bytes()
    assert {row["source"] for row in read(path)} == {f"'{name}" for name in names}
    assert write(path, awkward, resume=True) == set(names[:-1])
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", "no json\n"), ("a.jsonl", "[1]"), ("a.csv", "x,y\n1,2\n"), ("a.csv", "sources")]
)
def test_a_foreign_file_is_not_gone_on_with(name: str, content: str, tmp_path: Path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match="--resume: the file holds other rows"):
        open_output(tmp_path / name, CLASSES, resume=True)
    assert (tmp_path / name).read_text() == content


@pytest.mark.parametrize(
    ("name", "resume", "reason"),
    [
        ("faces.txt", False, r"--out ends in one of \.jsonl, \.csv, \.parquet"),
        ("faces", False, "--out ends in one of"),
        ("faces.parquet", True, "--resume goes on with .jsonl and .csv"),
        ("folder.csv", False, "cannot be written"),
        ("file/below/faces.csv", False, "cannot be written"),
    ],
)
def test_what_cannot_be_written(name: str, resume: bool, reason: str, tmp_path: Path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=reason):
        open_output(tmp_path / name, CLASSES, resume)


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(output.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"faces\.parquet: parquet needs pyarrow"):
        open_output(tmp_path / "faces.parquet", CLASSES)


def test_a_line_for_people(answers: list[Answer]):
    found = [line(row) for answer in answers for row in rows(answer, CLASSES)]
    assert found[0].split() == ["array", "0", "face", "1", "disgust", "54%", "60x60", "at", "70,70", "flat"]
    assert found[2].split() == ["array", "1", "no_face"]
    assert "clip.mp4 0.48 s" in found[4] and "track 7" in found[4] and "not sure" in found[4]
    assert all("\n" not in text for text in found)

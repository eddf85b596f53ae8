"""Tables of groups as spreadsheets write them, and what is told where a table cannot be meant so."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from benchmarks.data import DataError
from benchmarks.data.folder.groups import read_groups

Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")
FILES = ["angry/Müller 1.png", "angry/b.png", "happy/a.png"]
GROUPS = ["Müller", "Ünal", "Müller"]


def table(
    path: Path, lines: list[tuple[str, ...]], encoding: str = "utf-8", delimiter: str = ",", end: str = "\n"
) -> Path:
    path.write_bytes("".join(delimiter.join(line) + end for line in lines).encode(encoding))
    return path


def lines(files: list[str] = FILES) -> list[tuple[str, ...]]:
    return [("file", "group"), *zip(files, GROUPS, strict=True)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_form_of_a_spreadsheet_says_the_same(encoding: str, delimiter: str, end: str, tmp_path: Path):
    path = table(tmp_path / "groups.csv", lines(), encoding, delimiter, end)
    assert read_groups(str(path), tmp_path, FILES).tolist() == GROUPS


def test_columns_may_stand_anywhere_and_others_beside_them(tmp_path: Path):
    rows: list[tuple[str, ...]] = [("age", " group", "file ", "note")]
    rows += [("3", group, file, "x; y") for file, group in zip(FILES, GROUPS, strict=True)]
    path = table(tmp_path / "groups.csv", rows)
    assert read_groups(str(path), tmp_path, FILES).tolist() == GROUPS


@pytest.mark.parametrize("form", FORMS)
def test_accents_of_macos_and_of_linux_are_one_file(form: Form, tmp_path: Path):
    path = table(tmp_path / "groups.csv", lines([unicodedata.normalize(form, file) for file in FILES]))
    for spelled in FORMS:
        files = [unicodedata.normalize(spelled, file) for file in FILES]
        assert read_groups(str(path), tmp_path, files).tolist() == GROUPS


def test_a_file_listed_twice_with_two_groups_is_told_with_both_lines(tmp_path: Path):
    path = table(tmp_path / "groups.csv", [*lines(), ("happy/a.png", "Ünal")])
    with pytest.raises(
        DataError, match=r"groups.csv: happy/a.png is of the group Müller in line 4 and of Ünal in .* 5"
    ):
        read_groups(str(path), tmp_path, FILES)
    again = table(tmp_path / "groups.csv", [*lines(), ("happy/a.png", "Müller"), ("happy/a.png", "")])
    assert read_groups(str(again), tmp_path, FILES).tolist() == GROUPS


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"file,person\na,b\n", r"has no column group; its columns are file, person; file and group are needed"),
        (b"a;b;c\n", r"has no column file and group; its columns are a;b;c"),
        (b"", r"has no column file and group"),
        (b"x" * 9000, r"its columns are x{200}\.\.\. \(9,000 characters\)"),
        (b"file,group\nangry/b.png,1\nhappy/a.png,\x81\n", r"groups.csv, line 3: is not UTF-8"),
        ("file,group\n".encode("utf-16-le"), r"holds zero bytes.*CSV UTF-8"),
        (b"file,group\nangry/b.png\n", r"no group of angry/Müller 1.png, the first of 3 of 3 images"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_name(data: bytes, told: str, tmp_path: Path):
    (tmp_path / "groups.csv").write_bytes(data)
    with pytest.raises(DataError, match=told) as caught:
        read_groups(str(tmp_path / "groups.csv"), tmp_path, FILES)
    assert str(tmp_path / "groups.csv") in str(caught.value) and len(str(caught.value)) < 600

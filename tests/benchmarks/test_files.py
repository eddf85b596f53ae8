"""Files that are written whole, and CSV tables that read back as they were."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.files import (
    CannotWrite,
    check_writable,
    csv_text,
    csv_text_of,
    json_text,
    read_csv,
    replace_atomically,
    write_atomic,
)
from tests.helpers.small_disk import small_disk


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path):
    path = tmp_path / "deep" / "notes.txt"
    write_atomic(path, "old")

    def broken(draft: Path) -> None:
        draft.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_atomically(path, broken)
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_told_of_with_the_file_and_costs_nothing(tmp_path: Path):
    path = tmp_path / "notes.txt"
    write_atomic(path, "old")
    with small_disk(1000), pytest.raises(CannotWrite) as found:
        write_atomic(path, "new" * 1000)
    assert re.fullmatch(
        f"{re.escape(str(path))} cannot be written: .*. What was there before is unchanged. To go on, free some space, "
        "or name another folder of results by --results; what is finished there is not done again",
        str(found.value),
    )
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_told_of_before_anything_is_done(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file", tmp_path / "file" / "deep" / "er"):
        with pytest.raises(CannotWrite, match=r"cannot be written: .*choose a folder that you may write to"):
            check_writable(place)
    check_writable(tmp_path / "new" / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_table_reads_back_with_commas_quotes_and_line_breaks(tmp_path: Path):
    rows = [{"name": 'a, "b"', "note": "two\nlines"}, {"name": "ü", "note": ""}]
    write_atomic(tmp_path / "table.csv", csv_text_of(rows))
    assert read_csv(tmp_path / "table.csv") == rows
    assert read_csv(tmp_path / "none.csv") == []


def test_none_is_an_empty_cell_and_lines_end_alike_on_every_system():
    assert csv_text(("a", "b"), [(1, None), (True, 0.5)]) == "a,b\n1,\nTrue,0.5\n"


def test_rows_under_other_columns_are_refused():
    with pytest.raises(ValueError, match="differ in their columns"):
        csv_text_of([{"a": 1}, {"b": 2}])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
    max_leaves=25,
)


@given(VALUES)
def test_json_reads_back_as_it_was(value: Any):
    assert json.loads(json_text(value)) == value


def test_json_has_a_line_a_key_and_a_line_an_array():
    text = json_text({"a": [1, 2.5, None], "b": {}, "c": [[1, 2], [3, 4]], "d": [{"e": True}], "f": []})
    assert text == (
        '{\n "a": [1, 2.5, null],\n "b": {},\n "c": [\n  [1, 2],\n  [3, 4]\n ],\n'
        ' "d": [\n  {\n   "e": true\n  }\n ],\n "f": []\n}\n'
    )

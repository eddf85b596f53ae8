"""The files that readers see: each real one once, and nothing that systems leave behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.data import DataError
from benchmarks.data.walk import HIDDEN, only_folder, subfolders, walk
from zoo.use.leftovers import is_leftover

unix = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def put(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(file)
    return root


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store", "._face.jpg", ".git", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found",
        "System Volume Information", "__MACOSX", "__macosx", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r",
        "FOUND.000", "found.012", "@Recycle", "LOST.DIR", "RECYCLER", "face.jpg:Zone.Identifier",
    ],
)  # fmt: skip
def test_what_systems_leave_behind_is_known_by_name(name: str):
    assert is_leftover(name)


@pytest.mark.parametrize(
    "name",
    ["recycle", "found", "FOUND.jpg", "thumbs", "macosx", "lost", "@happy", "#1", "$", "~happy", "happy.", "eaDir"],
)
def test_a_users_own_names_are_not_taken_for_them(name: str):
    assert not is_leftover(name)


def test_files_come_folder_by_folder_and_what_is_left_out_is_counted(tmp_path: Path):
    put(tmp_path, "b/2.jpg", "b/1.png", "a/x.txt", "a-b.jpg", "b/@eaDir/1.png/thumb.jpg", "#recycle/z/3.jpg", "._1.jpg")
    put(tmp_path, "b/.hidden/1.jpg", "b/.hidden/notes.txt", "@eaDir/readme.txt")
    found = walk(tmp_path)
    assert found.files == ["a/x.txt", "a-b.jpg", "b/1.png", "b/2.jpg"]
    assert found.left_out == {"@eaDir": 1, "#recycle": 1, HIDDEN: 2}
    (note,) = found.notes()
    assert note.endswith("were not read: 1 in #recycle, 1 in @eaDir, 2 in hidden files.")
    assert found.paths()[-1] == tmp_path / "b" / "2.jpg"


def test_only_the_folders_asked_for_are_walked(tmp_path: Path):
    put(tmp_path, "train/a/1.jpg", "test/a/1.jpg", "more/a/1.jpg", "1.jpg")
    assert walk(tmp_path, ["train", "test"]).files == ["test/a/1.jpg", "train/a/1.jpg"]


@unix
@pytest.mark.parametrize("target", [".", "..", "../..", "../../a"])
def test_a_link_to_a_folder_above_is_not_followed_for_ever(target: str, tmp_path: Path):
    root = put(tmp_path / "root", "a/b/1.jpg", "a/2.jpg")
    (root / "a" / "b" / "again").symlink_to(target)
    found = walk(root)
    assert found.files == ["a/2.jpg", "a/b/1.jpg"]
    assert [repeat.path for repeat in found.repeats] == ["a/b/again"]
    assert (
        found.repeats[0].folder
        and found.repeats[0].first == {".": "a/b", "..": "a", "../..": "", "../../a": "a"}[target]
    )
    assert "a/b/again is " in found.notes()[-1]


@unix
def test_links_that_lead_to_each_other_end(tmp_path: Path):
    put(tmp_path, "out/one/1.jpg", "out/two/2.jpg")
    (tmp_path / "out" / "one" / "other").symlink_to("../two")
    (tmp_path / "out" / "two" / "other").symlink_to("../one")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a").symlink_to("../out/one")
    found = walk(tmp_path / "root")
    assert found.files == ["a/1.jpg", "a/other/2.jpg"]
    assert [(repeat.path, repeat.first) for repeat in found.repeats] == [("a/other/other", "a")]


@unix
def test_what_is_real_comes_before_links_to_it_whatever_they_are_called(tmp_path: Path):
    root = put(tmp_path, "m/real/1.jpg")
    (root / "a").symlink_to("m/real")
    (root / "b.jpg").symlink_to("m/real/1.jpg")
    found = walk(root)
    assert found.files == ["m/real/1.jpg"]
    assert [(one.path, one.first, one.folder) for one in found.repeats] == [
        ("a", "m/real", True), ("b.jpg", "m/real/1.jpg", False),
    ]  # fmt: skip


@unix
def test_links_to_different_files_are_files_and_second_names_of_one_are_not(tmp_path: Path):
    pool = put(tmp_path / "pool", "1.jpg", "2.jpg")
    root = tmp_path / "root" / "a"
    root.mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        (root / name).symlink_to(pool / name)
    os.link(pool / "1.jpg", root / "copy.jpg")
    found = walk(root)
    assert found.files == ["2.jpg", "copy.jpg"]
    assert [(one.path, one.first) for one in found.repeats] == [("1.jpg", "copy.jpg")]
    by_name = walk(root, by_name=True)
    assert (sorted(by_name.files), by_name.repeats) == (["1.jpg", "2.jpg", "copy.jpg"], [])


@unix
def test_a_link_to_nothing_stays_for_its_reader_to_name_and_a_pipe_is_never_opened(tmp_path: Path):
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert walk(tmp_path).files == ["gone.jpg"]


@unix
@pytest.mark.skipif(sys.platform == "darwin", reason="its disks refuse such names")
@pytest.mark.parametrize("name", [b"m\xfcller.png", b"m\xfcller/1.png", b"a/\xe9t\xe9.jpg"])
def test_a_name_that_is_not_utf8_is_told_with_its_bytes(name: bytes, tmp_path: Path):
    path = os.path.join(os.fsencode(tmp_path), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(os.fsdecode(path)).touch()
    with pytest.raises(DataError, match=r"\\x(fc|e9).*its name is not UTF-8.*convmv") as caught:
        walk(tmp_path)
    str(caught.value).encode()  # it can be printed
    with pytest.raises(DataError, match=r"its name is not UTF-8"):
        walk(Path(os.fsdecode(path)))  # also as the name of the folder that is given


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path):
    put(tmp_path, "a/1.jpg")
    (tmp_path / "a").chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        walk(tmp_path)


def test_an_only_folder_is_found_beside_what_systems_leave(tmp_path: Path):
    put(tmp_path, "archive/train/1.jpg", "__MACOSX/archive/._1.jpg", "readme.txt")
    assert subfolders(tmp_path) == ["archive"]
    assert only_folder(tmp_path) == [tmp_path / "archive"]
    put(tmp_path, "other/1.jpg")
    assert only_folder(tmp_path) == only_folder(tmp_path / "absent") == []

"""Trees that are no trees: links in circles, pipes, sockets, devices, names that are no text. No reader hangs."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.data import DataOptions
from benchmarks.data.errors import DataError
from benchmarks.data.fer2013 import pixel_csv
from benchmarks.data.folder import reader as folder_reader
from benchmarks.data.text_table import read_text
from benchmarks.data.walk import walk
from tests.helpers.patience import patience
from tests.helpers.pictures import picture_bytes
from zoo.use.errors import NoSource
from zoo.use.folders import files_in, matching
from zoo.use.sources import Reading, expanded

pytestmark = [pytest.mark.usefixtures("nowhere_else"), pytest.mark.skipif(os.name != "posix", reason="links and pipes")]


def tree(root: Path) -> Path:
    """Two class folders of images, and everything that a folder should not hold."""
    for label in ("happy", "sad"):
        (root / label).mkdir(parents=True)
        for number in range(3):
            (root / label / f"{number}.png").write_bytes(picture_bytes(f"{label}{number}"))
    for label in ("happy", "sad"):
        (root / label / "above").symlink_to("../..", target_is_directory=True)
        (root / label / "other").symlink_to("..", target_is_directory=True)
    (root / "happy" / "itself.png").symlink_to("itself.png")
    (root / "happy" / "circle").symlink_to("circle")
    (root / "happy" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(root / "happy" / "pipe.png")
    (root / "sad" / "piped.png").symlink_to(root / "happy" / "pipe.png")
    return root


@contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        yield


def test_the_walk_sees_each_real_file_once_and_ends(tmp_path: Path):
    root = tree(tmp_path / "faces")
    with patience(5):
        found = walk(root)
    images = [file for file in found.files if file.endswith(".png")]
    assert images == [
        "happy/0.png",
        "happy/1.png",
        "happy/2.png",
        "happy/itself.png",
        "sad/0.png",
        "sad/1.png",
        "sad/2.png",
    ]


def test_pictures_of_a_folder_are_its_regular_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tree(tmp_path / "faces")
    monkeypatch.chdir(root)
    with listening(Path("happy/socket.png")), patience(5):
        for meant in (files_in(Path("."), recursive=True), matching("**/*.png"), matching("**/**/**/*.png")):
            assert sorted(map(str, meant)) == [f"{label}/{n}.png" for label in ("happy", "sad") for n in range(3)]
        assert files_in(Path("."), recursive=False) == []
        assert [str(path) for path in matching("*/0.png")] == ["happy/0.png", "sad/0.png"]
        names = [source.name for source in expanded(["."], Reading(recursive=True))]
    assert len(names) == 6


@pytest.mark.parametrize("name", ["x" * 5000, "happy/pipe.png", "/dev/zero", "happy/itself.png", "camera:²"])
def test_a_source_that_is_none_is_refused_at_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tree(tmp_path / "faces"))
    with patience(5), pytest.raises(NoSource) as caught:
        list(expanded([name], Reading(command_line=True)))
    assert len(str(caught.value)) < 500


def test_the_folder_suite_names_a_link_that_leads_to_itself(tmp_path: Path):
    with patience(10), pytest.raises((DataError, OSError)) as caught:
        folder_reader.load(DataOptions(tree(tmp_path / "faces")))
    assert "faces" in str(caught.value)


NAMES = {
    "no UTF-8": os.fsdecode(b"f\xfcr.png"),
    "escape": "red\x1b[31m.png",
    "line feed": "two\nlines.png",
    "right to left": "\u202egnp.png",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_name_that_no_report_could_show_is_refused(name: str, kind: str, tmp_path: Path):
    place = tmp_path / "happy" / name if kind == "file" else tmp_path / name / "0.png"
    try:
        place.parent.mkdir(parents=True)
        place.write_bytes(picture_bytes("one"))
    except OSError:
        pytest.skip("this disk takes no such name")
    with pytest.raises(DataError, match="Rename it") as caught:
        walk(tmp_path)
    assert str(caught.value).isprintable()


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if content else None)
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


MEMBERS = {
    "a link outside": entry("fer2013.csv", tarfile.SYMTYPE, "../../etc/passwd"),
    "an absolute link": entry("fer2013.csv", tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link to nothing": entry("fer2013.csv", tarfile.LNKTYPE, "gone.csv"),
    "a link to itself": entry("fer2013.csv", tarfile.SYMTYPE, "fer2013.csv"),
    "a device": entry("fer2013.csv", tarfile.CHRTYPE),
    "a pipe": entry("fer2013.csv", tarfile.FIFOTYPE),
    "a folder": entry("fer2013.csv", tarfile.DIRTYPE),
}


@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)
def test_only_files_of_a_tar_archive_are_looked_at(member: tarfile.TarInfo, tmp_path: Path):
    path = packed(tmp_path / "fer2013.tar", (member, b""))
    assert pixel_csv.why_not(path) == "a tar archive with no csv inside"
    rows = b"emotion,pixels,Usage\n0," + b" ".join([b"1"] * 2304) + b",Training\n"
    path = packed(tmp_path / "fer2013.tar", (member, b""), (entry("/absolute/../fer2013.csv"), rows))
    assert pixel_csv.why_not(path) is None
    assert len(pixel_csv.read(path).images) == 1


def test_a_table_that_is_a_pipe_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "groups.csv")
    with patience(5), pytest.raises(DataError, match="is no regular file"):
        read_text(tmp_path / "groups.csv")

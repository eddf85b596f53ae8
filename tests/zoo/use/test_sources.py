"""What sources mean, in which order, and what is said of those that mean nothing."""

from __future__ import annotations

import http.server
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.use import download
from zoo.use.errors import NoSource, Unreadable
from zoo.use.sources import Picture, Reading, ahead, expanded, one_picture

TYPED = Reading(command_line=True)


def save(path: Path, level: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10), (level,) * 3).save(path, "PNG")
    return path


def png() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def names(*sources: Any, reading: Reading = TYPED) -> list[str]:
    return [source.name for source in expanded(sources, reading)]


def only(source: Any, reading: Reading = TYPED) -> Picture:
    (found,) = expanded([source], reading)
    (picture,) = found.pictures()
    return picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """b.png, a.JPG, notes.txt and below/c.png, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "below/c.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("text")
    return tmp_path


def test_a_folder_is_its_pictures_in_order(folder: Path):
    assert names(".") == ["a.JPG", "b.png"]
    assert names(".", reading=Reading(recursive=True)) == ["a.JPG", "b.png", "below/c.png"]
    assert names("below", "b.png", folder / "a.JPG") == ["below/c.png", "b.png", str(folder / "a.JPG")]


def test_a_pattern_is_what_matches(folder: Path):
    assert names("*.png") == ["b.png"]
    assert names("**/*.png") == ["b.png", "below/c.png"]
    save(folder / "x[1].png")
    assert names("x[1].png") == ["x[1].png"], "a file of that name comes first"


def test_pictures_without_a_name(folder: Path):
    array, image, content = np.zeros((9, 9), np.uint8), Image.new("L", (9, 9)), png()
    assert names(array, image, content, memoryview(content)) == ["array 0", "image 1", "bytes 2", "bytes 3"]
    for source in (array, image, content, bytearray(content), folder / "b.png"):
        found = only(source).rgb
        assert found is not None and found.shape[2] == 3


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("none.jpg", r"none\.jpg: there is no such file or folder"),
        ("*.tif", r"\*\.tif: no file matches"),
        ("empty", r"empty: holds no picture \(\.avif, .*\); --recursive"),
        ("camera:front", "camera:front: a camera is camera, camera:1"),
        ("pipe", "pipe: is no file"),
        (7, "a int is no picture"),
        (None, "a NoneType is no picture"),
    ],
)
def test_sources_that_mean_nothing(folder: Path, source: Any, reason: str):
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(NoSource, match=reason):
        names(source)


@pytest.mark.parametrize("source", ["-", "camera", "camera:1", "https://example.org/a.jpg"])
def test_what_only_a_user_may_name(source: str):
    """A service hands over what its clients say: it shall open no address, camera or stream for them."""
    with pytest.raises(NoSource, match="is for the command line"):
        names(source, reading=Reading())


def test_what_cannot_be_read_says_why(folder: Path):
    (folder / "broken.png").write_bytes(png()[:-40])
    assert only("broken.png").error.startswith("unreadable: is damaged or cut off")
    assert only(np.zeros((2, 2, 2), np.uint8)).error.startswith("unreadable: is an array of shape [2, 2, 2]")
    assert only("notes.txt").rgb is None


def test_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(png())))
    found = only("-")
    assert found.source == "stdin" and found.rgb is not None


def test_one_picture_is_one(folder: Path):
    assert one_picture("b.png", TYPED).source == "b.png"
    for source in (".", "*.png", "below"):
        with pytest.raises(NoSource, match="may mean more than one picture: call many"):
            one_picture(source, TYPED)
    with pytest.raises(Unreadable, match=r"notes\.txt is no picture that Pillow knows"):
        one_picture("notes.txt", TYPED)


def test_names_that_are_no_text(folder: Path):
    try:
        save(Path(os.fsdecode(b"caf\xe9.png")))
        save(Path("two\nlines.png"))
    except OSError:
        pytest.skip("the file system takes text alone")
    assert {"caf\N{REPLACEMENT CHARACTER}.png", "two\N{REPLACEMENT CHARACTER}lines.png"} < set(names("."))


# Ahead


def test_another_thread_is_two_items_ahead():
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(6):
            made.append(number)
            yield number

    taken = ahead(items())
    assert next(taken) == 0
    assert list(taken) == [1, 2, 3, 4, 5]
    assert made == list(range(6))


def test_what_goes_wrong_ahead_goes_wrong_here():
    def items() -> Iterator[int]:
        yield 1
        raise NoSource("gone")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(NoSource, match="gone"):
        next(taken)


def test_a_reader_that_stops_leaves_no_thread():
    before = threading.active_count()
    taken = ahead(iter(range(1000)))
    next(taken)
    taken.close()
    assert threading.active_count() == before


# Addresses


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/inside":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.connection.getsockname()[1]}/picture")
            self.end_headers()
        elif self.path == "/none":
            self.send_error(404)
        elif self.path == "/slow":
            threading.Event().wait(1)
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(20):
                self.wfile.write(b"x")
                threading.Event().wait(0.1)
        else:
            content = png() if self.path == "/picture" else bytes(3000)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_picture_at_an_address(address: str):
    found = only(f"{address}/picture")
    assert found.source == f"{address}/picture" and found.rgb is not None and found.rgb.shape == (10, 20, 3)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/inside", "it redirects to 127.0.0.1:[0-9]+, which is in a private network"),
        ("/none", "cannot be fetched: Not Found"),
        ("/large", "is larger than 0 MiB"),
        ("/slow", "does not answer within|cannot be fetched: timed out"),
        ("/drip", "does not arrive within 0.5 seconds"),
    ],
)
def test_addresses_that_give_no_picture(address: str, path: str, reason: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(download, "SECONDS", 0.5)
    if path == "/large":
        monkeypatch.setattr(download, "MEBIBYTES", 0)
    with pytest.raises(Unreadable, match=reason):
        download.download(address + path)


@pytest.mark.parametrize("source", ["ftp://example.org/a.jpg", "file:///etc/passwd", "gopher://x/y", "http://"])
def test_addresses_of_other_kinds(source: str):
    assert only(source).error.startswith("unreadable: ")


def test_nobody_listens():
    with pytest.raises(Unreadable, match="cannot be fetched"):
        download.download("http://127.0.0.1:9/a.jpg")

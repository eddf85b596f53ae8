"""Images that start a program, unfold to gigabytes, end in the middle or wait for ever: one reason each, no more."""

from __future__ import annotations

import io
import os
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from benchmarks.data.errors import DataError
from benchmarks.data.fer2013.decode import decode_grey
from benchmarks.data.image_files import read_images, shorter_sides
from tests.helpers.damage import SEEDS
from zoo.use.encoded import FILES, PICTURES, open_image
from zoo.use.errors import Unreadable
from zoo.use.pictures import decode

KINDS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n%%EndComments\nshowpage\n%%EOF\n"


def encoded(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of side x side pixels in a few kilobytes; its first rows are there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side + 1) * 4), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def mutated(content: bytes, seed: int) -> bytes:
    """The content with bits flipped, bytes zeroed, cut off, or repeated."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    start = int(random.integers(0, len(changed)))
    match seed % 4:
        case 0:
            for place in random.integers(0, len(changed), 1 + seed % 8):
                changed[place] ^= 1 << int(random.integers(0, 8))
        case 1:
            changed[start : start + 16] = bytes(len(changed[start : start + 16]))
        case 2:
            del changed[start:]
        case _:
            changed[start:start] = changed[start : start + 64]
    return bytes(changed)


@pytest.fixture
def ghostscript(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been handed to Ghostscript, were it installed."""
    started: list[str] = []

    def start(*arguments: object, **options: object) -> Image.core.ImagingCore:
        started.append("started")
        return Image.new("L", (48, 48)).im

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    return started


def test_no_reader_hands_anything_to_ghostscript(tmp_path: Path, ghostscript: list[str]):
    path = tmp_path / "face.jpg"
    path.write_bytes(EPS)
    with Image.open(path) as image:
        image.load()
    assert ghostscript == ["started"], "Pillow by itself does, whatever the name"
    ghostscript.clear()
    with pytest.raises(Unreadable, match="no picture"):
        decode(path)
    with pytest.raises(Unreadable, match="no picture"):
        decode(EPS)
    with pytest.raises(DataError, match="1 of 1 images cannot be read"):
        read_images([path], 48)
    with pytest.raises(DataError, match="row 3: this image cannot be read"):
        decode_grey(EPS, 48, "row 3")
    assert shorter_sides([path]) == []
    assert ghostscript == []


def test_a_bomb_is_named_by_its_size_and_not_decoded(tmp_path: Path):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(30_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(Unreadable, match=r"is too large.*megapixels; --max-pixels"):
        decode(path)
    with pytest.raises(DataError, match=r"cannot be read.*\n.*bomb\.png \(is too large"):
        read_images([path], 48)
    with pytest.raises(DataError, match=r"cannot be read \(is too large") as caught:
        decode_grey(path.read_bytes(), 48, "row 0")
    assert str(caught.value).count("cannot be read") == 1


def test_an_error_of_ours_is_not_wrapped_in_another():
    with pytest.raises(DataError) as caught:
        decode_grey(encoded("PNG"), 64, "row 7")
    assert str(caught.value).startswith("row 7: the image is 48x48 pixels")
    assert not isinstance(caught.value.__cause__, DataError)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, make):
    path = tmp_path / "face.png"
    make(path)
    with pytest.raises(Unreadable, match="cannot be opened: it is no regular file"):
        open_image(path, FILES, 24)
    with pytest.raises(DataError, match="it is no regular file"):
        read_images([path], 48)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_image_is_a_picture_or_has_one_reason(kind: str, tmp_path: Path):
    path, whole = tmp_path / "face", encoded(kind)
    refused = 0
    for seed in range(SEEDS):
        content = mutated(whole, seed)
        path.write_bytes(content)
        try:
            assert decode(content)[0].dtype == np.uint8
        except Unreadable as error:
            assert "\n" not in str(error)
            refused += 1
        for read, name in (
            (partial(read_images, [path], 48), "face"),
            (partial(decode_grey, content, 48, "row 0"), "row 0"),
        ):
            try:
                read()
            except DataError as error:
                assert (
                    name in str(error) and "Traceback" not in str(error) and not isinstance(error.__cause__, DataError)
                )
    assert refused, "else nothing was tried"


def test_the_formats_that_are_read_are_those_that_data_sets_and_cameras_have():
    for kind in KINDS:
        with open_image(encoded(kind), FILES, 24) as image:
            assert image.format == kind
    assert set(FILES) < set(PICTURES)

"""Pictures of any kind become the same array, and what is no picture gets a reason and never another error."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.photographs import stored_turned
from tests.helpers.pictures import patches
from zoo.use.errors import Unreadable
from zoo.use.pictures import decode, from_array, from_image

RGB = np.moveaxis(patches(3, 40, 56), 0, -1)
GREY = RGB[:, :, 0]


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(content: bytes) -> np.ndarray:
    return decode(content)[0]


# What is read


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_formats_without_loss(kind: str):
    image = Image.fromarray(RGB).quantize(64).convert("RGB")
    found, note = decode(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert note == ""
    assert (found == np.asarray(image)).all()


def test_a_file_and_its_bytes(tmp_path: Path):
    (tmp_path / "picture.jpg").write_bytes(encoded(Image.fromarray(RGB), "JPEG", quality=95))
    found = decode(tmp_path / "picture.jpg")[0]
    assert abs(found.astype(int) - RGB).mean() < 4
    assert (found == decode((tmp_path / "picture.jpg").read_bytes())[0]).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_modes(mode: str):
    grey = (GREY > 100).astype(np.uint8) * 255 if mode == "1" else GREY
    deep = {"I": (np.int32, 257), "I;16": (np.uint16, 257), "F": (np.float32, 1)}
    if mode in deep:
        kind, scale = deep[mode]
        image = Image.fromarray(grey.astype(kind) * scale)
    else:
        image = Image.fromarray(grey).convert(mode)
    found = from_image(image)
    assert found.shape == (40, 56, 3) and found.dtype == np.uint8
    assert abs(found.astype(int) - grey[:, :, None]).max() <= 2


def test_floats_of_one_unit_are_white_at_one():
    assert (from_image(Image.fromarray(np.ones((4, 4), np.float32))) == 255).all()


def test_sixteen_bits_in_a_png():
    levels = (GREY.astype(np.uint16) * 257).astype(np.uint16)
    assert (pixels(encoded(Image.fromarray(levels))) == GREY[:, :, None]).all()


def test_what_is_transparent_is_white():
    image = Image.fromarray(np.dstack([RGB, np.zeros_like(GREY)]))
    assert (pixels(encoded(image)) == 255).all()
    with_key = Image.fromarray(GREY).convert("P")
    with_key.info["transparency"] = 0
    assert from_image(with_key).shape == (40, 56, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int):
    assert (pixels(stored_turned(Image.fromarray(RGB), orientation)) == RGB).all()


def test_of_an_animation_the_first_frame_is_shown():
    frames = [Image.fromarray(RGB // (1 + i)).quantize(32) for i in range(3)]
    found, note = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50))
    assert note == "is animated: the first of 3 frames is shown"
    assert (found == np.asarray(frames[0].convert("RGB"))).all()


# Arrays


@pytest.mark.parametrize("array", [GREY, GREY[:, :, None], np.dstack([GREY] * 3), GREY / 255, np.float32(GREY / 255)])
def test_arrays_of_all_allowed_kinds(array: np.ndarray):
    assert (from_array(array) == GREY[:, :, None]).all()


def test_the_order_of_channels_is_asked_for_and_never_guessed():
    assert (from_array(RGB[:, :, ::-1], "bgr") == RGB).all()
    with pytest.raises(ValueError, match="colour is rgb or bgr, not 'BGR'"):
        from_array(RGB, "BGR")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(5), r"is an array of shape \[5\]"),
        (np.zeros((2, 3, 4, 3)), r"of shape \[2, 3, 4, 3\]"),
        (np.zeros((4, 4, 4), np.uint8), r"of shape \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), "empty array"),
        (np.zeros((4, 4), np.int64), "array of int64"),
        (np.zeros((4, 4), bool), "array of bool"),
        (np.full((4, 4), "x"), "array of <U1"),
        (np.full((4, 4), 255.0), "floats from 255 to 255"),
        (np.full((4, 4), -0.1), "floats from -0.1 to -0.1"),
        (np.full((4, 4), np.nan), "no numbers"),
        (np.full((4, 4), np.inf), "no numbers"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, reason: str):
    with pytest.raises(Unreadable, match=reason):
        from_array(array)


# What is no picture


JPEG, PNG = encoded(Image.fromarray(RGB), "JPEG"), encoded(Image.fromarray(RGB))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"%PDF-1.4 and more", "is no picture that Pillow knows: it begins with b'%PDF-1.4 and'"),
        (JPEG[: len(JPEG) // 2], "is damaged or cut off"),
        (PNG[: len(PNG) // 2], "is damaged or cut off"),
        (JPEG[:20], "is (damaged or cut off|no picture)"),
        (b"\0\0\0\x20ftypqqqq" + bytes(50), "is of the kind 'qqqq'"),
    ],
)
def test_contents_that_are_no_picture(content: bytes, reason: str):
    with pytest.raises(Unreadable, match=reason) as failure:
        decode(content)
    assert "0x" not in str(failure.value), "no addresses of objects"


def test_a_picture_that_is_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    large = encoded(Image.new("1", (6000, 5000)))
    with pytest.raises(Unreadable, match="is too large: 6000 x 5000 pixels, more than 24 megapixels; --max-pixels"):
        decode(large)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Unreadable, match="is too large: more than 24 megapixels"):
        decode(large)


def test_a_folder_and_a_file_that_cannot_be_opened(tmp_path: Path):
    with pytest.raises(Unreadable, match="cannot be opened: "):
        decode(tmp_path)
    with pytest.raises(Unreadable, match="cannot be opened: No such file"):
        decode(tmp_path / "none.jpg")


def test_an_image_of_pillow_that_is_damaged():
    with pytest.raises(Unreadable, match="is damaged or cut off"):
        from_image(Image.open(io.BytesIO(PNG[: len(PNG) // 2])))
    with pytest.raises(Unreadable, match="is an image without pixels"):
        from_image(Image.new("RGB", (0, 5)))


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from([JPEG, PNG]), st.integers(0, 2**32))
def test_mutated_files_are_read_or_refused(content: bytes, seed: int):
    """Bytes exchanged, cut out or put in: a picture or Unreadable comes of it, and never another error."""
    chance = random.Random(seed)
    mutated = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place, length = chance.randint(0, len(mutated)), chance.randint(0, 8)
        mutated[place : place + length] = chance.randbytes(chance.randint(0, 8))
    try:
        found, _ = decode(bytes(mutated), megapixels=0.1)
    except Unreadable:
        return
    assert found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8 and found.size

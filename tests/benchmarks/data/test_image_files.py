"""Image files of every kind become the same uint8 squares, whatever their format, depth, colour or orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.data import DataError
from benchmarks.data import mapped as pixels
from benchmarks.data.image_files import read_images, shorter_sides
from tests.helpers.portraits import portraits

ORIENTATION = 0x0112  # of EXIF


@pytest.fixture
def face() -> np.ndarray:
    """uint8 [48,48]."""
    return portraits(1).images[0]


def written(image: Image.Image, path: Path, **options: Any) -> list[Path]:
    image.save(path, **options)
    return [path]


def coloured(face: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([face, face // 2, 255 - face], axis=-1))


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".gif", ".pgm", ".PNG"])
def test_a_grey_image_of_the_stored_size_keeps_its_pixels(ending: str, face: np.ndarray, tmp_path: Path):
    files = written(Image.fromarray(face), tmp_path / f"face{ending}")
    np.testing.assert_array_equal(read_images(files, 48)[0, 0], face)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P"])
def test_grey_pixels_are_found_in_any_mode(mode: str, face: np.ndarray, tmp_path: Path):
    image = Image.fromarray(face).convert(mode)
    pixels = read_images(written(image, tmp_path / "face.png"), 48)
    assert pixels.shape == (1, 1, 48, 48)
    np.testing.assert_array_equal(pixels[0, 0], np.asarray(image.convert("L")))


def test_sixteen_bits_become_eight_and_are_not_cut_off(face: np.ndarray, tmp_path: Path):
    deep = Image.fromarray(face.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_images(written(deep, tmp_path / "deep.png"), 48)[0, 0], face)


@pytest.mark.parametrize(("bits", "told"), [(10, True), (12, True), (14, True), (15, False), (16, False)])
def test_fewer_bits_in_an_image_of_sixteen_are_told(bits: int, told: bool, tmp_path: Path):
    """A camera's 12 bits, stored as they are, come out nearly black."""
    random = np.random.default_rng(0)
    files = []
    for number in range(3):
        values = random.integers(0, 2**bits, (8, 8)).astype(np.uint16)
        values[0, 0] = 2**bits - 1 if number == 1 else 0
        files += written(Image.fromarray(values), tmp_path / f"{number}.png")
    files += written(Image.new("L", (8, 8), 255), tmp_path / "eight.png")
    notes: list[str] = []
    read_images(files, 8, notes)
    expected = f"3 images of 16 bits hold no value above {2**bits - 1:,}, as those of {bits} bits do: they are read "
    assert [note.startswith(expected) for note in notes] == [True] * told
    assert not told or f"read {2 ** (16 - bits)} times too dark" in notes[0]


def test_one_dark_image_of_sixteen_bits_among_others_is_no_matter(tmp_path: Path):
    files = written(Image.fromarray(np.full((8, 8), 900, dtype=np.uint16)), tmp_path / "dark.png")
    files += written(Image.fromarray(np.full((8, 8), 60_000, dtype=np.uint16)), tmp_path / "light.png")
    notes: list[str] = []
    read_images(files, 8, notes)
    assert notes == []


def test_what_is_transparent_becomes_black(face: np.ndarray, tmp_path: Path):
    alpha = np.where(np.arange(48)[:, None] < 24, 0, 255).astype(np.uint8).repeat(48, axis=1)
    files = written(Image.fromarray(np.dstack([face, face, face, alpha])), tmp_path / "cut.png")
    pixels = read_images(files, 48)[0, 0]
    assert not pixels[:24].any()
    np.testing.assert_array_equal(pixels[24:], face[24:])


def test_a_transparent_colour_of_a_palette_becomes_black(tmp_path: Path):
    image = Image.fromarray(np.tile(np.array([0, 1], dtype=np.uint8), (8, 4)))
    image = image.convert("P")
    image.putpalette([200, 10, 10, 10, 200, 10])
    pixels = read_images(written(image, tmp_path / "palette.png", transparency=0), 8)[0]
    assert not pixels[:, :, 0].any()
    assert pixels[:, 0, 1].tolist() == [10, 200, 10]


LYING = {  # how a camera that writes each EXIF orientation has turned the image
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", LYING)
@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_photographs_stand_upright(orientation: int, ending: str, face: np.ndarray, tmp_path: Path):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lying = Image.fromarray(face).transpose(LYING[orientation])
    pixels = read_images(written(lying, tmp_path / f"face{ending}", exif=exif, quality=100), 48)
    assert np.abs(pixels[0, 0].astype(int) - face).mean() < 1.5


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
def test_lossy_formats_keep_colours(ending: str, face: np.ndarray, tmp_path: Path):
    image = coloured(face).resize((96, 96))
    pixels = read_images(written(image, tmp_path / f"face{ending}", quality=95), 48)
    expected = np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert pixels.shape == (1, 3, 48, 48)
    assert np.abs(pixels[0].astype(int) - expected).mean() < 4


def test_a_jpeg_decoded_smaller_looks_as_one_decoded_whole(face: np.ndarray, tmp_path: Path):
    large = coloured(face).resize((640, 480), Image.Resampling.BICUBIC)
    (path,) = written(large, tmp_path / "large.jpg", quality=95)
    with Image.open(path) as image:
        whole = image.convert("RGB").crop((80, 0, 560, 480)).resize((64, 64), Image.Resampling.BILINEAR)
    pixels = read_images([path], 64)[0]
    assert np.abs(pixels.astype(int) - np.asarray(whole).transpose(2, 0, 1)).mean() < 1.5


def test_faces_keep_their_proportions(tmp_path: Path):
    wide = np.zeros((40, 100), dtype=np.uint8)
    wide[:, 30:70] = 200  # the centre square, and nothing else
    square = read_images(written(Image.fromarray(wide), tmp_path / "wide.png"), 20)[0, 0]
    assert (square[:, 1:-1] == 200).all()


def test_one_image_in_colour_gives_all_three_channels(face: np.ndarray, tmp_path: Path):
    files = [*(written(Image.fromarray(face), tmp_path / f"{name}.png")[0] for name in range(5))]
    files += written(coloured(face), tmp_path / "colour.png")
    pixels = read_images([*files, files[0]], 48)
    assert pixels.shape == (7, 3, 48, 48)
    for row in (0, 4, 6):
        assert (pixels[row] == face).all()
    np.testing.assert_array_equal(pixels[5, 0], face)
    np.testing.assert_array_equal(pixels[5, 1], face // 2)


def test_images_keep_their_order_over_many_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.data.image_files.BLOCK_BYTES", 3 * 4**2 * 20)
    monkeypatch.setattr("benchmarks.data.image_files.TASK", 3)
    files = [written(Image.new("L", (4, 4), level), tmp_path / f"{level}.png")[0] for level in range(50)]
    assert read_images(files, 4)[:, 0, 0, 0].tolist() == list(range(50))


def test_damaged_files_are_named_together(face: np.ndarray, tmp_path: Path):
    files = [written(Image.fromarray(face), tmp_path / f"{name}.png")[0] for name in range(9)]
    for file in files[1:8]:
        file.write_bytes(file.read_bytes()[: 30 if file.stem == "1" else 200])
    with pytest.raises(DataError) as caught:
        read_images(files, 48)
    message = str(caught.value)
    assert message.startswith("7 of 9 images cannot be read")
    assert all(str(file) in message for file in files[1:6])
    assert str(files[6]) not in message
    assert "and 2 more" in message


def test_pixels_of_unknown_range_are_refused(tmp_path: Path):
    files = written(Image.fromarray(np.zeros((8, 8), dtype=np.float32)), tmp_path / "float.tif")
    with pytest.raises(DataError, match=r"float\.tif .*floating-point"):
        read_images(files, 8)


def test_sizes_are_told_without_decoding(tmp_path: Path):
    files = written(Image.new("L", (30, 20)), tmp_path / "a.png") + written(Image.new("L", (7, 9)), tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    assert shorter_sides([*files, tmp_path / "c.png"]) == [20, 7]


def test_many_images_lie_in_a_file_with_the_same_pixels(
    face: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    files = [written(Image.fromarray(face), tmp_path / f"{name}.png")[0] for name in range(3)]
    files += written(coloured(face), tmp_path / "colour.png")
    expected = read_images(files, 48)
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixels, "MAPPED_BYTES", expected.nbytes - 1)
    mapped = read_images(files, 48)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, expected)
    order = np.array([3, 0, 2, 1])
    assert isinstance(pixels.take(mapped, order), np.memmap)
    np.testing.assert_array_equal(pixels.take(mapped, order), expected[order])
    assert not isinstance(pixels.take(mapped, order[:2]), np.memmap)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]  # gone with the arrays


def test_a_full_disk_is_told_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="GB of decoded images do not fit"):
        pixels.empty((2**40, 1, 112, 112))

"""Image files of any size, depth and colour to the uint8 arrays that everything here works on.

The centre square of each is taken, so that faces keep their proportions: networks see squares, and a face that is
squeezed into one looks as no face of another data set does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.data.errors import DataError, first_line
from benchmarks.data.mapped import empty
from benchmarks.provenance import cpu_cores

if TYPE_CHECKING:
    from PIL import Image

SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes of deep grey images; "I" in its older versions
GREY = ("1", "L", "LA", *SIXTEEN_BIT)
TASK = 32  # images a thread decodes at a time: handing over a small one takes longer than decoding it
BLOCK_BYTES = 2**25  # of decoded images that may wait to be put in place
FEW_BITS = 14  # used of 16: an image as dark as that is one of fewer bits in a file of 16
LARGEST = 64  # megapixels of an image: decoded, a quarter of a gigabyte
NAMED = 5  # damaged files, in the message


@dataclass(frozen=True)
class _Square:
    """uint8 [C,side,side], and of an image of 16 bits the largest value that it had."""

    pixels: np.ndarray
    largest: int | None


def read_images(files: Sequence[Path], side: int, notes: list[str] | None = None) -> np.ndarray:
    """Read images to uint8 [N,C,side,side], one channel where every image is grey, else three; the centre square of
    each is resized.

    Images stand upright as their EXIF data says, what is transparent becomes black, and 16 bits become 8. Past the
    limit of benchmarks/data/mapped.py the array is a memory map. What the user should know of the images is added to
    `notes`.

    Raises DataError naming the files that cannot be read, the first few of many.
    """
    pixels = empty((len(files), 1, side, side))
    damaged: list[str] = []
    largest: list[int] = []
    count = max(TASK, BLOCK_BYTES // (3 * side**2))
    with ThreadPoolExecutor(cpu_cores()) as pool:  # Pillow decodes and resizes without the interpreter's lock
        for start in range(0, len(files), count):
            tasks = (files[first : first + TASK] for first in range(start, min(start + count, len(files)), TASK))
            squares = chain.from_iterable(pool.map(partial(_squares, side=side), tasks))
            for row, square in enumerate(squares, start):
                if isinstance(square, str):
                    damaged.append(square)
                    continue
                if len(square.pixels) > pixels.shape[1]:
                    pixels = _in_colour(pixels, row)
                pixels[row] = square.pixels
                largest += [] if square.largest is None else [square.largest]
    if damaged:
        more = [f"and {len(damaged) - NAMED:,} more"] if len(damaged) > NAMED else []
        lines = "\n  ".join([*damaged[:NAMED], *more])
        raise DataError(
            f"{len(damaged):,} of {len(files):,} images cannot be read. Copy them again, or leave them out:\n  {lines}"
        )
    if notes is not None and largest and max(largest).bit_length() <= FEW_BITS:
        notes.append(_on_depth(largest))
    return pixels


def _on_depth(largest: Sequence[int]) -> str:
    bits = max(1, max(largest).bit_length())
    return (
        f"{len(largest):,} images of 16 bits hold no value above {max(largest):,}, as those of {bits} bits do: they "
        f"are read {2 ** (16 - bits):,} times too dark. Save them with values up to 65,535, or with 8 bits."
    )


def shorter_sides(files: Sequence[Path]) -> list[int]:
    """Return the shorter side in pixels of each image, from its header; pass over files that cannot be read."""
    from zoo.use.encoded import FILES, open_image  # with Pillow, which rebuilding a board does without

    sides = []
    for file in files:
        try:
            with open_image(file, FILES, LARGEST) as image:
                sides.append(min(image.size))
        except Exception:  # named when it is decoded
            continue
    return sides


def _in_colour(grey: np.ndarray, done: int) -> np.ndarray:
    """Make room for three channels of all images, and copy the first `done` into each."""
    pixels = empty((len(grey), 3, *grey.shape[2:]))
    for row in range(done):
        pixels[row] = grey[row]
    return pixels


def _squares(files: Sequence[Path], side: int) -> list[_Square | str]:
    return [_square_or_reason(file, side) for file in files]


def _square_or_reason(file: str | os.PathLike[str], side: int) -> _Square | str:
    """Return the square of an image, or why there is none."""
    from zoo.use.encoded import FILES, open_image

    try:
        with open_image(Path(file), FILES, LARGEST) as image:
            return _square(image, side)
    except Exception as error:  # decoders raise whatever damaged bytes provoke in them
        return f"{file} ({first_line(error)})"


def _square(image: Image.Image, side: int) -> _Square:
    from PIL import Image, ImageOps

    image.draft(None, (side, side))  # JPEG alone: decoded at the least eighth that is no smaller than this
    ImageOps.exif_transpose(image, in_place=True)
    largest = int(np.asarray(image).max()) if image.mode in SIXTEEN_BIT else None
    resized = ImageOps.fit(_eight_bit(image), (side, side), Image.Resampling.BILINEAR)  # antialiased where it shrinks
    square = np.atleast_3d(np.asarray(resized)).transpose(2, 0, 1)
    return _Square(square[:1] if (square == square[:1]).all() else square, largest)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Convert an image to mode L or RGB, on black."""
    from PIL import Image

    if image.mode in SIXTEEN_BIT:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its pixels are of more than 16 bits")
        return Image.fromarray((values // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range; save it with 8 bits")
    if image.has_transparency_data:
        visible = image.convert("RGBA")
        black = Image.new("RGBA", visible.size, "black")
        image = Image.alpha_composite(black, visible).convert("RGB")
    return image.convert("L" if image.mode in GREY else "RGB")

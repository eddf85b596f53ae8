"""Encoded images: the one place of this project that opens any.

Pillow tells a format by a file's first bytes, whatever its name, and some of the formats it knows start other programs:
a file that begins with `%!PS` goes to Ghostscript, which runs what it says. So each reader names the formats that it
expects. An image is opened only within a number of pixels: a few bytes can unfold to gigabytes.
"""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from zoo.use.errors import Unreadable

FILES = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of what image files of data sets are; MPO, of two-lens cameras, comes by way of JPEG."""

PICTURES = (*FILES, "AVIF", "HEIF")
"""The same of anyone's pictures; those of which this Pillow knows nothing are passed over."""

FIRST_BYTES = 12


def open_image(content: Path | bytes, formats: Sequence[str], megapixels: float) -> Image.Image:
    """Open an image and decode nothing yet; close it, or use it as a context.

    Raises Unreadable with the reason: no file, empty, no image of these formats, more pixels than `megapixels` million.
    """
    first = content[:FIRST_BYTES] if isinstance(content, bytes) else _first_bytes(content)
    if not first:
        raise Unreadable("is empty (0 bytes)")
    _know_heic(first)
    try:
        image = Image.open(BytesIO(content) if isinstance(content, bytes) else content, formats=_known(tuple(formats)))
    except UnidentifiedImageError:
        raise Unreadable(_no_picture(first)) from None
    except Image.DecompressionBombError:
        raise Unreadable(f"is too large: more than {megapixels:g} megapixels") from None
    except Exception as error:  # Pillow's readers let through whatever a damaged file makes them stumble over
        raise Unreadable(damage(error)) from error
    width, height = image.size
    if width * height > megapixels * 1e6:
        image.close()
        raise Unreadable(f"is too large: {width} x {height} pixels, more than {megapixels:g} megapixels")
    return image


def damage(error: Exception) -> str:
    """Return what a decoder's error means for the user."""
    return f"is damaged or cut off: {str(error) or type(error).__name__}"


def _first_bytes(path: Path) -> bytes:
    """Return the beginning of a file, and never that of a pipe or a device, on which reading may wait for ever."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unreadable("cannot be opened: it is no regular file")
        with path.open("rb") as file:
            return file.read(FIRST_BYTES)
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}") from error


@cache
def _known(formats: tuple[str, ...]) -> list[str]:
    Image.init()
    return [name for name in formats if name in Image.OPEN]


def _no_picture(first: bytes) -> str:
    if first[4:8] == b"ftyp":
        kind = first[8:12].decode("ascii", "replace")
        return f"is of the kind {kind!r}, which Pillow cannot read here; for HEIC: pip install pillow-heif"
    return f"is no picture that Pillow knows: it begins with {first!r}"


def _know_heic(first: bytes) -> None:
    """Phones write HEIC, which Pillow reads with the help of another package alone."""
    if first[4:8] == b"ftyp" and importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()
        _known.cache_clear()

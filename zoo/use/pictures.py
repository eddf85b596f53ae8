"""Pictures of any kind to uint8 RGB [H,W,3]: encoded files, Pillow's images, arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.use.encoded import PICTURES, damage, open_image
from zoo.use.errors import Unreadable

MEGAPIXELS = 24  # of the largest picture that is decoded
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # formats whose further frames are later moments, not other views
DEEP = ("I", "F")  # modes of more than eight bits begin with these
ORIENTATION = 0x0112  # of EXIF


def decode(content: Path | bytes, megapixels: float = MEGAPIXELS) -> tuple[np.ndarray, str]:
    """Return an encoded picture, EXIF orientation applied, and a note: of an animation, only the first frame is shown.

    Transparency is put on white. Raises Unreadable with the reason: empty, no picture, too large, damaged.
    """
    try:
        with open_image(content, PICTURES, megapixels) as image:
            frames = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
            note = f"is animated: the first of {frames} frames is shown" if frames > 1 else ""
            return _rgb(_upright(image)), note
    except Unreadable as error:
        if str(error).startswith("is too large"):
            raise Unreadable(f"{error}; --max-pixels allows more") from None
        raise
    except Exception as error:  # decoders let through whatever a damaged file makes them stumble over
        raise Unreadable(damage(error)) from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        if image.getexif().get(ORIENTATION, 1) == 1:
            return image  # exif_transpose would copy it
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged note on how the camera was held is no reason to refuse the picture
        return image


def from_image(image: Image.Image) -> np.ndarray:
    """Return one of Pillow's images as uint8 RGB [H,W,3], upright; raise Unreadable where it is damaged or empty."""
    try:
        rgb = _rgb(_upright(image))
    except Exception as error:  # it is only now that Pillow reads an image that was opened
        raise Unreadable(damage(error)) from error
    if not rgb.size:
        raise Unreadable("is an image without pixels")
    return rgb


def _rgb(image: Image.Image) -> np.ndarray:
    """Any mode as RGB; transparency is put on white."""
    if image.mode.startswith(DEEP):
        return _from_deep(np.asarray(image))
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), with_alpha)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_deep(levels: np.ndarray) -> np.ndarray:
    """Grey levels of 16 or 32 bits: of whole ones 65535 is white, of floats 1, or 255 where some are above 1."""
    floats = np.nan_to_num(levels.astype(np.float64))
    if levels.dtype.kind == "f":
        floats *= 255 if floats.size and floats.max() <= 1 else 1
    else:
        floats /= 257
    grey = np.clip(np.round(floats), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def from_array(array: np.ndarray, colour: str = "rgb") -> np.ndarray:
    """Return an array as uint8 RGB [H,W,3].

    It is [H,W] (grey), [H,W,1] or [H,W,3], uint8, or floats from 0 to 1. `colour` is `rgb` or `bgr`: nothing in an
    array says which. Raises Unreadable where it is anything else, and ValueError for another word.
    """
    if colour not in ("rgb", "bgr"):
        raise ValueError(f"colour is rgb or bgr, not {colour!r}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise Unreadable(f"is an array of shape {list(array.shape)}; [H,W], [H,W,1] or [H,W,3] is needed")
    if not array.size:
        raise Unreadable(f"is an empty array of shape {list(array.shape)}")
    levels = _levels(array)
    if levels.shape[2] == 1:
        levels = np.repeat(levels, 3, axis=2)
    return np.ascontiguousarray(levels[:, :, ::-1] if colour == "bgr" else levels)


def _levels(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise Unreadable(f"is an array of {array.dtype}; uint8, or floats from 0 to 1, are needed")
    if not np.isfinite(array).all():
        raise Unreadable("is an array with values that are no numbers (NaN or infinite)")
    if array.min() < 0 or array.max() > 1:
        raise Unreadable(f"is an array of floats from {array.min():g} to {array.max():g}; floats go from 0 to 1")
    return np.round(array * 255).astype(np.uint8)

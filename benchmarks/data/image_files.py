"""Image files of any size, depth and colour to the uint8 arrays that everything here works on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")


def read_images(files: Sequence[Path], side: int) -> np.ndarray:
    """uint8 [N,C,side,side]: one channel where every image is grey, else three. The centre square of each is resized.

    Raises DataError naming the file that is no image.
    """
    from PIL import Image, ImageOps

    pixels = np.empty((len(files), 3, side, side), dtype=np.uint8)
    for row, file in enumerate(files):
        try:
            with Image.open(file) as image:
                square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
                pixels[row] = np.asarray(square).transpose(2, 0, 1)
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise on damaged data
            raise DataError(f"{file}: this image cannot be read ({error}). Copy or download it again.") from error
    grey = (pixels[:, :1] == pixels[:, 1:]).all()
    return pixels[:, :1].copy() if grey else pixels

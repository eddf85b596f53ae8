"""Encoded images (PNG, JPEG, WebP) to grey pixels, with the size checked."""

import io

import numpy as np

from benchmarks.data.errors import DataError

# Modes whose conversion to 8-bit grey loses nothing of an image that is grey.
EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}


def decode_grey(data: bytes, size: int, where: str) -> np.ndarray:
    """Decode an image to uint8 [size, size]; `where` names the image in the errors.

    Raises DataError where the bytes are no image, or the image has another size or depth.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.size != (size, size):
                raise DataError(
                    f"{where}: the image is {image.width}x{image.height} pixels; FER2013's are {size}x{size}. "
                    "Use a copy in the original size."
                )
            if image.mode not in EIGHT_BIT_MODES:
                raise DataError(f"{where}: pixels of kind {image.mode!r}; 8-bit grey or RGB is needed.")
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise on damaged data
        raise DataError(f"{where}: this image cannot be read ({error}). Copy or download it again.") from error

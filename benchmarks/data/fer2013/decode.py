"""Encoded images (PNG, JPEG, WebP) to grey pixels, with the size checked."""

import numpy as np

from benchmarks.data.errors import DataError, first_line

LARGEST = 64  # megapixels: those of a wrong size are named by it, and a bomb is not

# Modes whose conversion to 8-bit grey loses nothing of an image that is grey.
EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}


def decode_grey(data: bytes, size: int, where: str) -> np.ndarray:
    """Decode an image to uint8 [size, size]; `where` names the image in the errors.

    Raises DataError where the bytes are no image, or the image has another size or depth.
    """
    from zoo.use.encoded import FILES, open_image  # with Pillow, which rebuilding a board does without

    try:
        with open_image(data, FILES, LARGEST) as image:
            shape, mode = image.size, image.mode
            fits = shape == (size, size) and mode in EIGHT_BIT_MODES
            pixels = np.asarray(image.convert("L")) if fits else None
    except Exception as error:  # decoders raise whatever damaged bytes provoke in them
        raise DataError(
            f"{where}: this image cannot be read ({first_line(error)}). Copy or download it again."
        ) from error
    if pixels is not None:
        return pixels
    if shape != (size, size):
        raise DataError(
            f"{where}: the image is {shape[0]}x{shape[1]} pixels; FER2013's are {size}x{size}. "
            "Use a copy in the original size."
        )
    raise DataError(f"{where}: pixels of kind {mode!r}; 8-bit grey or RGB is needed.")

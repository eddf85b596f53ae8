"""Images that stand in two splits: equal pixels, whatever their labels and ids say."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 16


def also_in(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of `images [N, C, H, W]` also stand, pixel for pixel, among `others [M, C, H, W]`: bool [N]."""
    known = set(digests(others))
    return np.array([digest in known for digest in digests(images)], dtype=bool)


def digests(images: NDArray[np.uint8]) -> list[bytes]:
    """A digest of the pixels of each of `images [N, C, H, W]`."""
    shape = repr(images.shape[1:]).encode()
    return [hashlib.blake2b(image.tobytes(), digest_size=DIGEST_BYTES, key=shape).digest() for image in images]

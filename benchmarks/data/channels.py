"""Grey images in colour, and coloured ones in grey."""

from __future__ import annotations

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green and blue in grey (ITU-R BT.601)


def in_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Convert uint8 [N,C,H,W] to so many channels: colour to grey by luma, grey to colour by repetition."""
    if images.shape[1] == channels:
        return images
    if channels == 1:
        return np.rint(np.einsum("nchw,c->nhw", images, LUMA)).astype(np.uint8)[:, None]
    return np.repeat(images, channels, axis=1)

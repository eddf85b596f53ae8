"""Made-up pixels that look like photographs."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def patches(*shape: int) -> np.ndarray:
    """uint8 noise with the smoothness and the uneven light of photographs."""
    random = np.random.default_rng(0)
    smooth = gaussian_filter(random.normal(size=shape), (0,) * (len(shape) - 2) + (2, 2))
    light = random.uniform(60, 180, (*shape[:-2], 1, 1))
    return np.clip(smooth * 160 + light, 0, 255).astype(np.uint8)


def picture_bytes(text: str, side: int = 16) -> bytes:
    """A PNG of grey noise, another one for each text."""
    pixels = np.random.default_rng(list(text.encode())).integers(0, 256, (side, side), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()

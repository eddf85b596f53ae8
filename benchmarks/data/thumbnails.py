"""Small grey pictures of images and of windows of them, as numbers that can be compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BLOCK_PIXELS = 2**20  # of images that are looked at in one piece: they may lie in a file larger than memory


class Window(NamedTuple):
    """A square part of a picture, in shares of its sides: where it begins, and how large it is."""

    top: float
    left: float
    side: float

    def mirrored(self) -> Window:
        """Return where the window lies when the picture is turned left to right."""
        return Window(self.top, 1.0 - self.left - self.side, self.side)


WHOLE = Window(0.0, 0.0, 1.0)


def thumbnails(images: np.ndarray, side: int, window: Window = WHOLE) -> np.ndarray:
    """Return grey thumbnails float32 [N, side * side] of a window of images uint8 [N, C, H, W].

    Each has mean zero and norm one; zeros of a single colour.
    """
    count, _, height, width = images.shape
    small = np.empty((count, side * side), dtype=np.float32)
    rows = _averages(height, side, window.top, window.side)
    columns = _averages(width, side, window.left, window.side)
    step = max(1, BLOCK_PIXELS // images[:1].size) if count else 1
    for start in range(0, count, step):
        grey = np.asarray(images[start : start + step]).mean(axis=1, dtype=np.float32)
        small[start : start + step] = (rows @ grey @ columns.T).reshape(len(grey), -1)
    return _normalised(small)


def mirrored(small: np.ndarray) -> np.ndarray:
    """Return thumbnails [N, side * side] left to right."""
    side = int(small.shape[1] ** 0.5)
    return np.ascontiguousarray(small.reshape(-1, side, side)[:, :, ::-1]).reshape(small.shape)


def _averages(size: int, side: int, begin: float, share: float) -> np.ndarray:
    """Return a matrix float32 [side, size] that averages a share of `size` pixels into `side`, by how much of each
    pixel they cover."""
    edges = size * (begin + share * np.linspace(0.0, 1.0, side + 1))
    low, high = edges[:-1, None], edges[1:, None]
    places = np.arange(size)[None, :]
    covered = np.clip(np.minimum(high, places + 1) - np.maximum(low, places), 0.0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def _normalised(small: np.ndarray) -> np.ndarray:
    small = small - small.mean(axis=-1, keepdims=True)
    norms = np.linalg.norm(small, axis=-1, keepdims=True)
    return np.where(norms > 1e-3, small / np.maximum(norms, 1e-3), 0.0).astype(np.float32)

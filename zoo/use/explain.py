"""Where a model looks: how much less probable its answer becomes where a part of the face is hidden (arXiv:1311.2901).

It asks the model alone, so it works on any model file.
"""

from __future__ import annotations

import numpy as np

from zoo.use.bundle import Bundle

PATCH, STEP = 12 / 48, 4 / 48  # side of what is hidden and how far it moves, in sides of the crop
BATCH = 64


def occlusion(bundle: Bundle, crop: np.ndarray) -> np.ndarray:
    """Return float32 [height, width] of a crop, uint8 [height,width,3].

    Each pixel holds by how much the probability of the most probable class falls on average where a patch with this
    pixel is hidden under the crop's mean colour; it is negative where the hidden pixels spoke against the class.
    """
    height, width = crop.shape[:2]
    windows = [(rows, columns) for rows in _spans(height) for columns in _spans(width)]
    hidden = np.repeat(crop[None], len(windows), axis=0)
    for one, (rows, columns) in zip(hidden, windows, strict=True):
        one[rows, columns] = crop.mean(axis=(0, 1)).round()
    before = bundle(crop[None])[0]
    top = int(before.argmax())
    after = np.concatenate([bundle(hidden[start : start + BATCH])[:, top] for start in range(0, len(hidden), BATCH)])
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for value, (rows, columns) in zip(before[top] - after, windows, strict=True):
        total[rows, columns] += value
        times[rows, columns] += 1
    return (total / times).astype(np.float32)


def _spans(length: int) -> list[slice]:
    """The places of the patch along a side; the last one ends with it."""
    patch, step = max(1, round(PATCH * length)), max(1, round(STEP * length))
    starts = [*range(0, length - patch, step), length - patch]
    return [slice(start, start + patch) for start in starts]

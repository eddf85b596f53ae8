"""Made-up pictures whose faces are squares of one grey level, and the detector that finds them by a mark."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from zoo.use.detections import Detection

MARK = (255, 0, 255)
SIDE = 60  # of a face's box; the square around it is wider than its crop
KEYS = ((-12, -8), (12, -8), (0, 4), (0, 16))  # eyes, nose, mouth around the middle


class MarkedFaces:
    """Finds a face wherever one pixel has the colour of the mark, in the order of rows."""

    name = "marked"

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        rows, columns = np.nonzero((rgb == MARK).all(axis=2))
        return [_face(int(x), int(y)) for x, y in zip(columns, rows, strict=True)]


def _face(x: int, y: int) -> Detection:
    box = (float(x - SIDE // 2), float(y - SIDE // 2), float(SIDE), float(SIDE))
    return Detection(box, 0.9, tuple((float(x + across), float(y + down)) for across, down in KEYS))


def picture(faces: Iterable[tuple[int, int, int]], width: int = 400, height: int = 200) -> np.ndarray:
    """A picture [height,width,3] with faces: column and row of the middle, grey level."""
    rgb = np.full((height, width, 3), (0, 60, 0), dtype=np.uint8)
    for x, y, level in faces:
        rgb[max(0, y - SIDE) : y + SIDE, max(0, x - SIDE) : x + SIDE] = level
    for x, y, _ in faces:
        rgb[y, x] = MARK
    return rgb

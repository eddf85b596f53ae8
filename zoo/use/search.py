"""Where in a picture faces are looked for: in the whole of it, and in overlapping tiles where they may be small.

A detector sees a picture at a size of its own. In a very wide or high one everything becomes small, so such a picture
is always looked at in tiles, too. And a face that fills the picture is often missed: of 300 faces of FER2013, BlazeFace
found 40, and 230 with a grey frame around them. So a picture without a face is looked at again in a frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.use.detections import Detection, Detector, distinct

SMALL = (2, 3)  # tiles along the shorter side, where small faces are looked for
ELONGATED = 2.0  # longer by shorter side, above which a row of tiles is looked at
MOST = 12  # tiles along the longer side
OVERLAP = 0.25  # of a tile, with its neighbour
FRAME, GREY = 0.5, 128  # how wide a frame is, in sides of the picture, and its level


def search(detector: Detector, rgb: np.ndarray, small_faces: bool = False) -> list[Detection]:
    """Return the faces of a picture, uint8 [H,W,3], each once; with `small_faces` those of a third of the size, too."""
    counts = SMALL if small_faces else ()
    if max(rgb.shape[:2]) > ELONGATED * min(rgb.shape[:2]):
        counts = (1, *counts)
    found = detector(rgb) or _in_a_frame(detector, rgb)
    for count in counts:
        for rows, columns in _tiles(rgb, count):
            tile = np.ascontiguousarray(rgb[rows, columns])
            faces = (face.moved(columns.start, rows.start) for face in detector(tile))
            # A face at the edge of a tile is whole in its neighbour.
            found += [face for face in faces if _lies_within(face, rows, columns, rgb)]
    return distinct(found) if counts else found


def _in_a_frame(detector: Detector, rgb: np.ndarray) -> list[Detection]:
    height, width = rgb.shape[:2]
    high, wide = round(FRAME * height), round(FRAME * width)
    framed = np.full((height + 2 * high, width + 2 * wide, 3), GREY, dtype=np.uint8)
    framed[high : high + height, wide : wide + width] = rgb
    return [face.moved(-wide, -high) for face in detector(framed)]


def _tiles(rgb: np.ndarray, count: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of overlapping tiles, nearly square, `count` of them along the shorter side."""
    shorter = min(rgb.shape[:2])
    rows, columns = (_spans(side, min(MOST, round(count * side / shorter))) for side in rgb.shape[:2])
    yield from ((high, wide) for high in rows for wide in columns)


def _spans(length: int, count: int) -> list[slice]:
    """Overlapping parts of a side."""
    part = length / (count - OVERLAP * (count - 1))
    starts = [i * part * (1 - OVERLAP) for i in range(count)]
    return [slice(round(start), min(length, round(start + part))) for start in starts]


def _lies_within(face: Detection, rows: slice, columns: slice, rgb: np.ndarray) -> bool:
    """Whether a face touches no edge of a tile but those that are the picture's, too."""
    left, top, width, height = face.box
    sides = ((left, width, columns, rgb.shape[1]), (top, height, rows, rgb.shape[0]))
    return all(
        (begin >= span.start + 1 or span.start == 0) and (begin + size <= span.stop - 1 or span.stop == whole)
        for begin, size, span, whole in sides
    )

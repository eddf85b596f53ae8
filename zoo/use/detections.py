"""Faces that were found, and what all detectors share: which boxes mean one face, pictures made smaller.

A detector is a function from a picture, uint8 RGB [H,W,3], to the faces in it. A box means the same with all of them: a
square as BlazeFace draws it, from above the brows to the chin, since the crop rule was measured with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from PIL import Image

Say = Callable[[str], None]  # takes a line for the user
KEYPOINTS = ("left_eye", "right_eye", "nose", "mouth")  # left as it is seen in the picture of an upright face
SAME_FACE = 0.3  # share of common area above which two boxes mean one face


@dataclass(frozen=True)
class Detection:
    """A face in a picture, in pixels: `box` is left, top, width, height, and `keypoints` are x, y of KEYPOINTS."""

    box: tuple[float, float, float, float]
    score: float
    keypoints: tuple[tuple[float, float], ...]

    def moved(self, x: float, y: float) -> Detection:
        """The same face in a picture that begins at -x, -y."""
        left, top, width, height = self.box
        points = tuple((one + x, other + y) for one, other in self.keypoints)
        return replace(self, box=(left + x, top + y, width, height), keypoints=points)


class Detector(Protocol):
    """Finds faces."""

    name: str

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces of a picture, uint8 [H,W,3]."""


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the common area of a box with each of [N,4], as share of the area of both; boxes are left, top, width,
    height."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    whole = box[2] * box[3] + others[:, 2] * others[:, 3] - common
    return common / np.maximum(whole, 1e-9)


def groups(boxes: np.ndarray, scores: np.ndarray, same: float = SAME_FACE) -> Iterator[np.ndarray]:
    """Yield the indices of boxes [N,4] that mean the same face, the best one first; best faces come first."""
    left = np.argsort(-scores, kind="stable")
    while len(left):
        alike = iou(boxes[left[0]], boxes[left]) > same
        alike[0] = True
        yield left[alike]
        left = left[~alike]


def distinct(found: Sequence[Detection]) -> list[Detection]:
    """Return the best one of the detections that mean the same face."""
    if not found:
        return []
    boxes, scores = np.array([one.box for one in found]), np.array([one.score for one in found])
    return [found[group[0]] for group in groups(boxes, scores)]


def resized(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the picture at another size, antialiased."""
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2))


def letterboxed(rgb: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Return the picture in the upper left of a black square, and how many pixels of the picture make one of it."""
    height, width = rgb.shape[:2]
    scale = max(height, width) / side
    small = resized(rgb, max(1, round(width / scale)), max(1, round(height / scale)))
    square = np.zeros((side, side, 3), dtype=np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale

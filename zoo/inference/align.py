"""Turn faces level and put them where most have their eyes, nose and mouth, by five landmarks.

The landmarks are those of MTCNN's last network (arXiv:1604.02878), which sees crops of 48x48 pixels and says how sure
it is of a face. It comes with the extra `use`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

PLACES = ((0.314, 0.383), (0.690, 0.383), (0.502, 0.599), (0.347, 0.782), (0.664, 0.782))
"""Left eye, right eye, nose, left and right corner of the mouth, as shares of the side: medians of FER2013's training
faces, eyes and corners level."""

SURE = 0.8  # least score of a face whose landmarks count: 92 % of the training faces of FER2013 have it
MOST_TURN, MOST_SCALE = math.radians(45), 1.5  # what moves a face further is no face that was cut out as the others


def align(images: Tensor) -> Tensor:
    """Move each face of uint8 images [N,C,H,W], C being 1 or 3, to the usual place, and leave the others as they are.

    The landmarks' similarity (turn, scale and shift) of least squares is undone; beyond the edge, the edge is repeated.
    Raises NoDetector where the landmarks' network is not installed, and ValueError for images that are not square.
    """
    if images.shape[2] != images.shape[3]:
        raise ValueError(f"align needs square images, not {images.shape[2]} x {images.shape[3]}")
    turns, shifts, certain = _similarities(images)
    rows = torch.from_numpy(np.flatnonzero(certain)).to(images.device)
    aligned = images.clone()
    if len(rows):
        a, b = turns[certain], shifts[certain]
        matrices = np.stack([np.stack([a.real, -a.imag, b.real], 1), np.stack([a.imag, a.real, b.imag], 1)], 1)
        chosen = images[rows].float()
        grid = F.affine_grid(torch.from_numpy(matrices).to(chosen), list(chosen.shape), align_corners=False)
        moved = F.grid_sample(chosen, grid, mode="bilinear", padding_mode="border", align_corners=False)
        aligned[rows] = moved.round().to(torch.uint8)
    return aligned


def _similarities(images: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each image where the usual places lie in it: complex `a` and `b` [N] of z -> az + b, from the centre
    in halves of the side, and bool [N], whether that can be trusted."""
    from zoo.use.mtcnn import landmarks

    faces = images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).cpu().numpy()
    points, scores = landmarks(faces)
    there = _complex(points)
    usual = _complex(np.array(PLACES))
    own, mean = usual - usual.mean(), there.mean(axis=1)
    turns = (there - mean[:, None]) @ own.conj() / (own @ own.conj()).real
    scale, turn = np.abs(turns), np.abs(np.angle(turns))
    certain = (scores >= SURE) & (turn <= MOST_TURN) & (scale <= MOST_SCALE) & (scale >= 1 / MOST_SCALE)
    return turns, mean - turns * usual.mean(), certain


def _complex(points: np.ndarray) -> np.ndarray:
    """Return places [...,2], shares of the side, as complex numbers from the centre, in halves of the side."""
    centred = 2 * np.asarray(points, dtype=np.float64) - 1
    numbers: np.ndarray = centred[..., 0] + 1j * centred[..., 1]
    return numbers

"""Lay one picture over another: the scales and the shift at which they agree best, and how well they do there.

Gauss-Newton on the normalised difference (Lucas and Kanade 1981), for many pairs at once; rows and columns have scales
of their own. Small pictures first, then larger ones of those pairs that are promising.
"""

from __future__ import annotations

import numpy as np

from benchmarks.data.crops import Candidates
from benchmarks.data.mapped import take
from benchmarks.data.thumbnails import thumbnails

SMALL, SMALL_STEPS = 24, 2
LARGE, LARGE_STEPS = 48, 3
PROMISING = 0.9  # correlation of small pictures from which on the larger ones are looked at
SCALES = (0.7, 1.4)  # of one picture in the other; beyond, too little of both is seen
LONGEST = 0.2  # half sides that a step may move anything by: it is right near the best place alone
LEAST_OVERLAP = 0.55  # of the second picture that the first one has to cover
DAMPING = 1e-3  # of the curvature: a picture without edges in one direction says nothing of it
AT_ONCE = 128  # pairs: what is computed of them stays in the processor's cache


def agreements(images: np.ndarray, others: np.ndarray, pairs: Candidates) -> np.ndarray:
    """Return the best correlation [P] of what both show: images uint8 [N, C, H, W] and others [M, C, H, W].

    Pairs that are not PROMISING when they are small keep the correlation of that size; it is below what counts.
    """
    places, alike = pairs.places(), np.empty(len(pairs.first))
    everyone = np.arange(len(alike))
    for side, steps in ((SMALL, SMALL_STEPS), (LARGE, LARGE_STEPS)):
        looked_at = everyone if side == SMALL else np.flatnonzero(alike >= PROMISING)
        for start in range(0, len(looked_at), AT_ONCE):
            rows = looked_at[start : start + AT_ONCE]
            first, second = (
                thumbnails(take(array, chosen[rows]), side).reshape(-1, side, side)
                for array, chosen in ((images, pairs.first), (others, pairs.second))
            )
            moved = np.where(pairs.mirrored[rows, None, None], first[:, :, ::-1], first)
            places[rows], alike[rows] = _improved(moved, second, places[rows], steps)
    return alike


def _improved(pictures: np.ndarray, fixed: np.ndarray, places: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Move places [P, 4] of pictures [P, S, S] so that these agree with the fixed ones; return the best places, and
    the correlation [P] there, -1 where too little is seen of both."""
    best, reached = places.copy(), np.full(len(places), -1.0)
    grid, spacing = _grid(pictures.shape[1]), 2 / pictures.shape[1]
    for step in range(steps + 1):
        moved, mask = _placed(pictures, places)
        ours, theirs = (_normalised(picture, mask) for picture in (moved, fixed))
        alike = np.where(mask.mean(axis=(1, 2)) >= LEAST_OVERLAP, (ours * theirs).sum(axis=(1, 2)), -1.0)
        better = alike > reached
        best[better], reached[better] = places[better], alike[better]
        if step < steps:
            down, across = (np.where(mask, np.gradient(ours, spacing, axis=axis), 0) for axis in (1, 2))
            slopes = np.stack([down, down * grid[:, None], across, across * grid], axis=1).reshape(len(places), 4, -1)
            change = _least_squares(slopes, (theirs - ours).reshape(len(places), -1, 1))
            # Slopes are by the pixels of the moved picture, which are `scale` of its own apart.
            places = places + change.clip(-LONGEST, LONGEST) * places[:, [1, 1, 3, 3]]
            places[:, [1, 3]] = places[:, [1, 3]].clip(*SCALES)
    return best, reached


def _least_squares(slopes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return what change [P, 4] explains differences [P, D, 1] by slopes [P, 4, D]."""
    curvature = slopes @ slopes.transpose(0, 2, 1)
    size = np.maximum(np.trace(curvature, axis1=1, axis2=2), 1e-6)
    return np.linalg.solve(curvature + DAMPING * size[:, None, None] * np.eye(4), slopes @ wanted)[:, :, 0]


def _placed(pictures: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Resample pictures [P, S, S] at places [P, 4]; return what lies there, and a mask of what is within them."""
    rows, inside = _interpolation(places[:, :2], pictures.shape[1])
    columns, within = _interpolation(places[:, 2:], pictures.shape[1])
    return rows @ pictures @ columns.transpose(0, 2, 1), inside[:, :, None] & within[:, None, :]


def _interpolation(places: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate linearly at `middle + scale * grid`, for places [P, 2]: return matrices float32 [P, side, side], and
    which of the points lie within the picture, bool [P, side]."""
    at = (places[:, :1] + places[:, 1:] * _grid(side) + 1) * side / 2 - 0.5
    inside = (at >= 0) & (at <= side - 1)
    return np.maximum(0.0, 1.0 - np.abs(at[:, :, None] - np.arange(side))).astype(np.float32), inside


def _grid(side: int) -> np.ndarray:
    """Return the middles float32 [side] of pixels, in half sides from the middle of the picture."""
    return ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)


def _normalised(pictures: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return pictures [P, S, S] of mean zero and norm one where the mask is, zero elsewhere."""
    count = np.maximum(mask.sum(axis=(1, 2), keepdims=True), 1).astype(np.float32)
    shown = np.where(mask, pictures, 0)
    shown = np.where(mask, shown - shown.sum(axis=(1, 2), keepdims=True) / count, 0)
    return shown / np.maximum(np.sqrt(np.square(shown).sum(axis=(1, 2), keepdims=True)), 1e-6)

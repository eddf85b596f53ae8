"""Near copies: images that show one photograph, though their bytes differ.

A photograph comes again mirrored, shifted, cropped, resized, brighter, in other channels, re-encoded, or marked.
Two steps find it: correlation of small grey thumbnails, as they are and mirrored, of all pairs; then, of those that are
alike there, the best correlation of a finer picture over shifts. Pictures of one channel or three, of any side from 24,
are compared as they come; both sides need not be the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.data.mapped import take

COARSE, FINE = 16, 48  # sides of the thumbnails
ALIKE = 0.88  # correlation of coarse thumbnails from which on a pair is looked at again
SAME = 0.96  # correlation of coarse thumbnails, or of fine ones at the best shift, from which on it is one photograph
REACH = 3  # pixels of the fine thumbnail that a copy may be shifted by; further, coarse ones are no longer alike
LEAST_SPREAD = 1e-12  # of two pictures of norm one; less is that of a single colour
LEAST_SIDE = 24  # pixels; two digits of 8x8 are alike without any copying
BLOCK_PIXELS = 2**20  # of images that are looked at in one piece: they may lie in a file larger than memory
AT_ONCE = 512  # images compared with all others in one product


@dataclass(frozen=True)
class Pairs:
    """Pairs of one photograph: `first` and `second` are rows int64 [P], `correlation` float32 [P] is how alike."""

    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray


def near_pairs(images: np.ndarray, others: np.ndarray | None = None) -> Pairs:
    """Find pairs of one photograph in `images` uint8 [N, C, H, W] and `others` [M, C, H, W], which may differ in size.

    Without others, pairs within the images, each once and none with itself. Images of a single colour show nothing and
    have no copies.
    """
    within, compared = others is None, images if others is None else others
    ours = _halves(thumbnails(images, COARSE))
    theirs = ours if within else _halves(thumbnails(compared, COARSE))
    found = [_alike(ours, theirs, start, within) for start in range(0, len(ours[0]), AT_ONCE)]
    first, second, coarse = (np.concatenate(part) for part in zip(*found, strict=True))
    unsure = np.flatnonzero(coarse < SAME)
    coarse[unsure] = fine_correlations(images, compared, first[unsure], second[unsure])
    kept = coarse >= SAME
    return Pairs(first[kept], second[kept], coarse[kept])


def near_copies_in(images: np.ndarray, others: np.ndarray) -> np.ndarray | None:
    """Tell which of `images` [N, C, H, W] show a photograph that also stands among `others` [M, C, H, W]: bool [N].

    None where the images are too small to tell one photograph from another one that is like it.
    """
    if min(images.shape[2:]) < LEAST_SIDE:
        return None
    found = np.zeros(len(images), dtype=bool)
    if len(images) and len(others):
        found[near_pairs(images, others).first] = True
    return found


def thumbnails(images: np.ndarray, side: int) -> np.ndarray:
    """Return grey thumbnails float32 [N, side * side], each of mean zero and norm one; zeros of a single colour."""
    count, _, height, width = images.shape
    small = np.empty((count, side * side), dtype=np.float32)
    rows, columns = _averages(height, side), _averages(width, side)
    step = max(1, BLOCK_PIXELS // images[:1].size) if count else 1
    for start in range(0, count, step):
        grey = np.asarray(images[start : start + step]).mean(axis=1, dtype=np.float32)
        small[start : start + step] = (rows @ grey @ columns.T).reshape(len(grey), -1)
    return _normalised(small)


def mirrored(small: np.ndarray) -> np.ndarray:
    """Return thumbnails [N, side * side] left to right."""
    side = int(small.shape[1] ** 0.5)
    return np.ascontiguousarray(small.reshape(-1, side, side)[:, :, ::-1]).reshape(small.shape)


def _averages(size: int, side: int) -> np.ndarray:
    """Return a matrix float32 [side, size] that averages `size` pixels into `side`, by the share of each they cover."""
    edges = np.linspace(0.0, size, side + 1)
    low, high = edges[:-1, None], edges[1:, None]
    places = np.arange(size)[None, :]
    covered = np.clip(np.minimum(high, places + 1) - np.maximum(low, places), 0.0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def _normalised(small: np.ndarray) -> np.ndarray:
    small = small - small.mean(axis=-1, keepdims=True)
    norms = np.linalg.norm(small, axis=-1, keepdims=True)
    return np.where(norms > 1e-3, small / np.maximum(norms, 1e-3), 0.0).astype(np.float32)


Halves = tuple[np.ndarray, np.ndarray]


def _halves(small: np.ndarray) -> Halves:
    """Return what is symmetric and what is not of thumbnails [N, side * side], float32 [N, side * side / 2] each.

    A mirrored picture has the same symmetric half, and the other with another sign: the larger of two products of whole
    thumbnails, as they are and mirrored, is the sum of the product of the one and the size of that of the other.
    """
    whole, turned = (
        array.reshape(len(small), COARSE, COARSE)[:, :, : COARSE // 2] for array in (small, mirrored(small))
    )
    parts = ((whole + turned) / np.sqrt(2.0), (whole - turned) / np.sqrt(2.0))
    left, right = (np.ascontiguousarray(part.reshape(len(small), -1), dtype=np.float32) for part in parts)
    return left, right


def _alike(ours: Halves, theirs: Halves, start: int, within: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of a block of our thumbnails and all of theirs that are ALIKE, and how much."""
    begin = start if within else 0  # earlier ones have had this block
    even, odd = (mine[start : start + AT_ONCE] @ other[begin:].T for mine, other in zip(ours, theirs, strict=True))
    alike = np.abs(odd, out=odd)
    alike += even
    first, second = np.nonzero(alike >= ALIKE)
    if within:
        kept = second > first
        first, second = first[kept], second[kept]
    return first + start, second + begin, alike[first, second]


def fine_correlations(images: np.ndarray, others: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return for pairs [P] of rows the best correlation of what both show, over shifts and mirroring: float32 [P]."""
    best = np.full(len(first), -1.0, dtype=np.float32)
    step = max(1, min(AT_ONCE, BLOCK_PIXELS // max(images[:1].size, others[:1].size, 1)))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        ours, theirs = take(images, first[part]), take(others, second[part])
        coarse, other = thumbnails(ours, COARSE), thumbnails(theirs, COARSE)
        turned = (mirrored(coarse) * other).sum(axis=1) > (coarse * other).sum(axis=1)
        left, right = (thumbnails(array, FINE).reshape(-1, FINE, FINE) for array in (ours, theirs))
        best[part] = _over_shifts(np.where(turned[:, None, None], left[:, :, ::-1], left), right)
    return best


def _over_shifts(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the best correlation [P] of what two pictures [P, side, side] have in common over shifts."""
    best = np.full(len(left), -1.0)
    sums = [_corner_sums(array) for array in (left, left**2, right, right**2)]
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            ours, theirs = (_window(left.shape[1], sign * down, sign * across) for sign in (1, -1))
            products = np.einsum("pij,pij->p", left[:, *ours], right[:, *theirs])
            mean, square = (_sum_in(corner, *ours) for corner in sums[:2])
            other_mean, other_square = (_sum_in(corner, *theirs) for corner in sums[2:])
            count = (ours[0].stop - ours[0].start) * (ours[1].stop - ours[1].start)
            spread = (square - mean**2 / count) * (other_square - other_mean**2 / count)
            best = np.maximum(best, (products - mean * other_mean / count) / np.sqrt(np.maximum(spread, LEAST_SPREAD)))
    return best.astype(np.float32)


def _window(side: int, down: int, across: int) -> tuple[slice, slice]:
    """Return the rows and columns that are left of a picture when another is laid over it, so far down and across."""
    rows, columns = (slice(max(0, shift), side + min(0, shift)) for shift in (down, across))
    return rows, columns


def _corner_sums(pictures: np.ndarray) -> np.ndarray:
    """Return the sums float64 [P, side + 1, side + 1] of all that is above and left of each corner of a pixel."""
    return np.pad(pictures, ((0, 0), (1, 0), (1, 0))).astype(np.float64).cumsum(axis=1).cumsum(axis=2)


def _sum_in(corners: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Return the sum [P] of a window of pictures, from the sums up to its corners."""
    top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
    return corners[:, bottom, right] - corners[:, top, right] - corners[:, bottom, left] + corners[:, top, left]

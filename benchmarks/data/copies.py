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
    ours = thumbnails(images, COARSE)
    theirs = ours if within else thumbnails(compared, COARSE)
    found = [_alike(ours, theirs, start, within) for start in range(0, len(ours), AT_ONCE)]
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


def _alike(ours: np.ndarray, theirs: np.ndarray, start: int, within: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of a block of our thumbnails and all of theirs that are ALIKE, and how much."""
    block = ours[start : start + AT_ONCE]
    later = theirs[start:] if within else theirs  # earlier ones have had this block
    alike = np.maximum(block @ later.T, mirrored(block) @ later.T)
    first, second = np.nonzero(alike >= ALIKE)
    if within:
        kept = second > first
        first, second = first[kept], second[kept]
    return first + start, second + (start if within else 0), alike[first, second]


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
    best = np.full(len(left), -1.0, dtype=np.float32)
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            ours, theirs = (
                _normalised(picture.reshape(len(picture), -1))
                for picture in (_part(left, down, across), _part(right, -down, -across))
            )
            best = np.maximum(best, np.einsum("pk,pk->p", ours, theirs))
    return best


def _part(pictures: np.ndarray, down: int, across: int) -> np.ndarray:
    """Return what is left of pictures when others are laid over them, so far down and to the right."""
    side = pictures.shape[1]
    return pictures[:, max(0, down) : side + min(0, down), max(0, across) : side + min(0, across)]

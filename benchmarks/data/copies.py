"""Near copies: images that show one photograph, though their bytes differ.

A photograph comes again mirrored, shifted, cropped, resized, brighter, in other channels, re-encoded, or marked.
Two steps find it: `crops` finds pairs of which parts are alike, `register` lays the one over the other and says how
well what both show agrees. Pictures of one channel or three, of any side from 24, are compared as they come; both sides
need not be the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.data.crops import candidates
from benchmarks.data.register import agreements

# Correlation of what both pictures show from which on it is one photograph. In FER2013, where mirrored copies are rare,
# the mirrored faces of others are what chance makes: the best of them reaches 0.953 (64 pairs above 0.935, looked at).
SAME = 0.96
LEAST_SIDE = 24  # pixels; two digits of 8x8 are alike without any copying
DETECTOR = "2"  # counts with what is found: marks that an earlier detector left are made anew


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
    found = candidates(images, others)
    alike = agreements(images, images if others is None else others, found)
    kept = alike >= SAME
    return Pairs(found.first[kept], found.second[kept], alike[kept].astype(np.float32))


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

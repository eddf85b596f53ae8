"""Pairs of images that may be two parts of one photograph: other crops, shifts and scales of it, also mirrored.

Windows of every image are compared with windows of every other one by their low frequencies (the discrete cosine
transform of small thumbnails), each frequency in units of its own spread: faces in one place are alike in what all
faces have in common, and this takes it away. What is found here is a start, which `register` judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.data.thumbnails import WHOLE, Window, thumbnails

SIDE = 16  # of the thumbnails
FREQUENCIES = 35  # the lowest ones of both directions, without the mean
LIKELY = 0.80  # correlation from which on a pair is a candidate; of FER2013's pairs about one in ten thousand is
PRIOR = 50  # images of a middle grey that stand for what is not known of a handful of images
TILE = 512  # images of each side in a product: the result stays in the processor's cache


def _shifted(down: float, across: float) -> tuple[Window, Window]:
    """Return the windows of two pictures that show the same where they are apart by these shares of a side."""
    side = 1 - max(abs(down), abs(across))
    first, second = (Window(0.5 * (1 - side + sign * down), 0.5 * (1 - side + sign * across), side) for sign in (1, -1))
    return first, second


# Crops of 100 to 85 %, wherever they lie, and shifts of a tenth: frequencies this low bear two pixels of 48 more.
FAR, NEAR, SHIFT = 0.92, 0.84, 0.0625
CROPS = [
    Window((1 - FAR) / 2, (1 - FAR) / 2, FAR),
    *(Window(share * (1 - NEAR), other * (1 - NEAR), NEAR) for share in (0.25, 0.75) for other in (0.25, 0.75)),
]
SHIFTS = ((SHIFT, SHIFT), (SHIFT, -SHIFT), (SHIFT, 0.0), (0.0, SHIFT))
PAIRS = [(WHOLE, WHOLE), *((window, WHOLE) for window in CROPS), *(_shifted(*shift) for shift in SHIFTS)]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs that may show one photograph: rows int64 [P], the windows that are alike, float64 [P, 3] each, and whether
    the first picture is to be mirrored for that (its window is one of the mirrored picture), bool [P]."""

    first: np.ndarray
    second: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray
    mirrored: np.ndarray

    def places(self) -> np.ndarray:
        """Return where the whole of the second picture lies in the first one, float64 [P, 4]: middle and scale of its
        rows, then of its columns, in half sides of the first."""
        scale = self.ours[:, 2] / self.theirs[:, 2]
        places = np.empty((len(scale), 4))
        for axis in (0, 1):
            here, there = (2 * windows[:, axis] + windows[:, 2] - 1 for windows in (self.ours, self.theirs))
            places[:, 2 * axis], places[:, 2 * axis + 1] = here - scale * there, scale
        return places


def candidates(images: np.ndarray, others: np.ndarray | None = None) -> Candidates:
    """Find candidates between `images` uint8 [N, C, H, W] and `others` [M, C, H, W]; without these, within the images,
    each pair once, the lower row first."""
    within, compared = others is None, images if others is None else others
    pairs = PAIRS if within else [*PAIRS, *((b, a) for a, b in PAIRS[1:])]
    spectra = Spectra(images, compared)
    parts = []
    for place, (window, other) in enumerate(pairs):
        for mirrored in (False, True):
            found = _likely(spectra.of_images(window, mirrored), spectra.of_others(other))
            if within:
                kept = found[0] < found[1] if place == 0 else found[0] != found[1]
                found = found[0][kept], found[1][kept], found[2][kept]
            parts.append((*found, np.full(len(found[0]), place), np.full(len(found[0]), mirrored)))
    first, second, alike, number, turned = (np.concatenate(column) for column in zip(*parts, strict=True))
    ours, theirs = (np.array(windows)[number] for windows in zip(*pairs, strict=True))
    if within:  # both ways round are one pair; a mirrored first is a mirrored second
        swapped = first > second
        first, second = np.where(swapped, second, first), np.where(swapped, first, second)
        ours, theirs = _exchanged(ours, theirs, swapped, swapped & turned)
    order = np.lexsort((-alike, second, first))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    best = order[new]
    return Candidates(first[best], second[best], ours[best], theirs[best], turned[best])


def _exchanged(
    ours: np.ndarray, theirs: np.ndarray, swapped: np.ndarray, turned: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exchange windows [P, 3] where pairs were; where the other picture was the mirrored one, so are the windows."""
    first, second = (np.where(swapped[:, None], b, a) for a, b in ((ours, theirs), (theirs, ours)))
    for windows in (first, second):
        windows[:, 1] = np.where(turned, 1.0 - windows[:, 1] - windows[:, 2], windows[:, 1])
    return first, second


class Spectra:
    """Low frequencies of windows of two sets of images, in units of what is usual among them."""

    def __init__(self, images: np.ndarray, others: np.ndarray) -> None:
        self.images, self.others = images, others
        self.kept: dict[tuple[int, Window], np.ndarray] = {}
        self.basis, self.signs = _cosines()
        usual = thumbnails(others, SIDE) @ self.basis
        count = len(usual) + PRIOR
        # A mirrored picture is as usual: what turns its sign is zero on average.
        self.mean = np.where(self.signs > 0, usual.sum(axis=0) / count, 0.0).astype(np.float32)
        energy = np.square(usual - self.mean).sum(axis=0) + PRIOR * _usual_energy()
        self.spread = np.sqrt(energy / count).astype(np.float32)

    def of_images(self, window: Window, mirrored: bool) -> np.ndarray:
        """Return the frequencies [N, F] of a window of the images, or of the images mirrored."""
        return self._of(self.images, window.mirrored()) * self.signs if mirrored else self._of(self.images, window)

    def of_others(self, window: Window) -> np.ndarray:
        """Return the frequencies [M, F] of a window of the others."""
        return self._of(self.others, window)

    def _of(self, images: np.ndarray, window: Window) -> np.ndarray:
        key = id(images), window
        if key not in self.kept:
            small = thumbnails(images, SIDE, window)
            usual = (small @ self.basis - self.mean) / self.spread
            usual[~small.any(axis=1)] = 0.0  # a single colour is like nothing
            self.kept[key] = usual / np.maximum(np.linalg.norm(usual, axis=1, keepdims=True), 1e-6)
        return self.kept[key]


def _cosines() -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest cosines [SIDE * SIDE, F], and what a mirrored picture does to the sign of each, [F]."""
    from scipy.fft import dct  # here, not on top: listing the zoo needs no scipy

    waves = dct(np.eye(SIDE), axis=0, norm="ortho")
    down, across = np.unravel_index(_lowest(), (SIDE, SIDE))
    basis = np.einsum("fi,fj->ijf", waves[down], waves[across]).reshape(SIDE * SIDE, -1)
    return basis.astype(np.float32), np.where(across % 2, -1.0, 1.0).astype(np.float32)


def _lowest() -> np.ndarray:
    """Return the places of the lowest frequencies in a square of SIDE, without the mean."""
    return np.argsort(_frequencies(), kind="stable")[1 : FREQUENCIES + 1]


def _frequencies() -> np.ndarray:
    return np.hypot(*np.mgrid[:SIDE, :SIDE]).ravel()


def _usual_energy() -> np.ndarray:
    """Return the energy [F] of each frequency in pictures of norm one, where it falls with its square."""
    energy = 1.0 / np.maximum(_frequencies(), 1.0) ** 2
    return (energy / energy[1:].sum())[_lowest()]


def _likely(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of ours [N, F] and theirs [M, F] that are LIKELY one, and how alike they are."""
    parts = []
    product = np.empty(TILE * TILE, dtype=np.float32)  # one for all: fresh memory costs more than the arithmetic
    turned = np.ascontiguousarray(theirs.T)
    for start in range(0, len(ours), TILE):
        mine = ours[start : start + TILE]
        for begin in range(0, len(theirs), TILE):
            other = turned[:, begin : begin + TILE]
            alike = product[: len(mine) * other.shape[1]]
            np.matmul(mine, other, out=alike.reshape(len(mine), -1))
            found = np.flatnonzero(alike >= LIKELY)
            parts.append((found // other.shape[1] + start, found % other.shape[1] + begin, alike[found]))
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    first, second, alike = (np.concatenate(column) for column in zip(*parts, strict=True))
    return first, second, alike

"""FER2013 as it was published: what tells a changed copy, and which row of the original each image is.

A copy is known by its content, in whatever order its rows stand. What a second file says of a row (the votes of FER+,
predictions made elsewhere) hangs on the order of the original. So images are matched to the original rows by their
pixels, of which a hash a row is kept here; of the images themselves nothing is.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.files import replace_atomically

USAGES = ("Training", "PublicTest", "PrivateTest")  # train, val, test; in the original one after the other
COUNTS = (28709, 3589, 3589)
FILE = Path(__file__).with_name("official.npz")
NEARLY_ALL = 0.9  # of the images of a part, so that it counts as what they are of


@dataclass(frozen=True, eq=False)
class Official:
    """The original's rows: a hash of the pixels uint32 [35887], and the labels int64 [35887]."""

    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Matched:
    """The images of a copy among the original rows.

    rows      int64 [N], the original row of each; -1 where there is none
    known     bool [N], whether the original has these pixels; without a row, they stand in the copy more often
    in_order  whether all that were found stand in their own places
    """

    rows: np.ndarray
    known: np.ndarray
    in_order: bool


@cache
def official() -> Official:
    """Load the original's rows."""
    with np.load(FILE, allow_pickle=False) as arrays:
        return Official(arrays["pixels"], arrays["labels"].astype(np.int64))


def save(images: np.ndarray, labels: np.ndarray, file: Path) -> None:
    """Write what `official` loads, made of all images uint8 [35887,48,48] and labels in the original's order."""

    def write(draft: Path) -> None:
        with draft.open("wb") as stream:
            np.savez_compressed(stream, pixels=pixel_hashes(images), labels=labels.astype(np.uint8))

    replace_atomically(file, write)


def pixel_hashes(images: np.ndarray) -> np.ndarray:
    """Hash the pixels of each image uint8 [N, ...] to uint32 [N]; no two images of the original share a hash."""
    return np.array([zlib.crc32(image.tobytes()) for image in images], dtype=np.uint32)


def match(images: np.ndarray, targets: np.ndarray, usages: np.ndarray, ordered: bool) -> Matched:
    """Match images uint8 [N,48,48] to the original rows: first those in their own places, where the copy has an order;
    then by pixels, and of equal images those of the same part and label first."""
    hashes, original = pixel_hashes(images), official()
    rows = np.full(len(hashes), -1, dtype=np.int64)
    if ordered:
        places = np.arange(min(len(hashes), len(original.pixels)))
        in_place = places[hashes[places] == original.pixels[places]]
        rows[in_place] = in_place
    free: dict[int, list[int]] = defaultdict(list)
    for row in np.setdiff1d(np.arange(len(original.pixels)), rows).tolist():
        free[int(original.pixels[row])].append(row)
    alike = (
        lambda image, row: parts()[row] == usages[image] and original.labels[row] == targets[image],
        lambda image, row: parts()[row] == usages[image],
        lambda image, row: True,
    )
    for is_alike in alike:
        for image in np.flatnonzero(rows < 0).tolist():
            candidates = free.get(int(hashes[image]), [])
            found = next((row for row in candidates if is_alike(image, row)), None)
            if found is not None:
                candidates.remove(found)
                rows[image] = found
    has_row = rows >= 0
    in_order = ordered and bool((rows == np.arange(len(rows)))[has_row].all())
    return Matched(rows, np.isin(hashes, original.pixels), in_order)


@cache
def parts() -> np.ndarray:
    """Return the index in USAGES of each original row."""
    return np.repeat(np.arange(len(USAGES)), COUNTS)


def row_numbers(matched: Matched, ordered: bool) -> np.ndarray | None:
    """Return the original row of each image int64 [N], or None where it is not known of all.

    A copy that has its own images in place of some of the original's, and all others where they were, has these rows.
    So has an ordered one that holds less than half of the original: it is a data set of its own, with rows of its own.
    """
    found = matched.rows >= 0
    own = found.sum() < len(official().pixels) / 2
    if ordered and (own or matched.in_order):
        return np.arange(len(found))
    return matched.rows if found.all() else None


def has_own_pixels(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Tell of each image uint8 [N, ...] whether it is that of the original row int64 [N] said of it: bool [N]."""
    original = official().pixels
    inside = rows < len(original)
    return inside & (pixel_hashes(images) == original[np.where(inside, rows, 0)])


def differences(matched: Matched, targets: np.ndarray, usages: np.ndarray) -> list[str]:
    """Say in a few words each what tells a copy from the original, beside the number of its rows; nothing of an
    official copy."""
    found = matched.rows >= 0
    rows, count, strange = matched.rows[found], len(found), int((~matched.known).sum())
    if strange > NEARLY_ALL * count:
        return [f"{strange:,} of {count:,} images have other pixels, as in JPEG copies"]
    told = []
    swapped, moved = _moves(rows, usages[found])
    if swapped:
        told.append(f"{USAGES[1]} and {USAGES[2]} are swapped")
    elif moved:
        told.append(f"{moved:,} images stand in another part")
    if relabelled := int((official().labels[rows] != targets[found]).sum()):
        told.append(f"{relabelled:,} labels are others")
    if repeated := int((matched.known & ~found).sum()):
        told.append(f"{repeated:,} images are repeated")
    if strange:
        told.append(f"{strange:,} of {count:,} images have other pixels")
    return told


def _moves(rows: np.ndarray, usages: np.ndarray) -> tuple[bool, int]:
    """Tell whether val and test stand for each other, and count the images that stand in another part than in the
    original."""
    original = parts()[rows]
    swapped = all(
        (usages == part).any() and (original[usages == part] == other).mean() > NEARLY_ALL
        for part, other in ((1, 2), (2, 1))
    )
    return swapped, int((original != usages).sum())

"""Whether an exported file says what the project says of the same images, and how far it may differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

IMAGES = 256  # that a check compares
OTHER_SIZES = ((16, 20), (96, 96), (200, 150))  # height and width of crops that the file has to resize
AT_ONCE = 32  # crops of one call

Recogniser = Callable[[np.ndarray], np.ndarray]
"""Crops uint8 [N,H,W,3] to probabilities [N, classes]."""


class ExportFailed(ValueError):
    """A file does not say what the project says; the message has the figures. No file is left."""


@dataclass(frozen=True)
class Limit:
    """How far the probabilities of a file may lie from the project's, and on how many images the class must agree."""

    difference: float | None
    same_class: float


LIMITS = {
    "fp32": Limit(1e-5, 0.995),
    "fp16": Limit(5e-3, 0.995),  # mobilenetv1_mid and efficientnet_lite0 are 0.0027 and 0.0026 apart
    "int8": Limit(0.02, 0.995),
    "int8-static": Limit(None, 0.985),
}
"""By how weights are stored. Static int8 also computes in int8: single probabilities move, accuracy must not."""
ACCURACY_LOSS = 0.005  # on val, below the row on the board: whatever is lost there, the file is not what was measured


@dataclass(frozen=True)
class Agreement:
    """How a file and the project agree on some images."""

    images: int
    difference: float  # the largest, of a probability
    same_class: float

    def __str__(self) -> str:
        return (
            f"{self.images} images, largest difference of a probability {self.difference:.1e}, "
            f"same class on {100 * self.same_class:.2f} %"
        )


def agreement(expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare probabilities [N, classes]."""
    same = (expected.argmax(axis=1) == found.argmax(axis=1)).mean()
    return Agreement(len(expected), float(np.abs(expected - found).max()), float(same))


def check_agreement(found: Agreement, weights: str, what: str) -> None:
    """Raise ExportFailed where `what`, a file with weights stored so, is too far from the project."""
    limit = LIMITS[weights]
    if limit.difference is not None and not found.difference <= limit.difference:
        raise ExportFailed(f"{what} differs from the project by more than {limit.difference:g}: {found}")
    if found.same_class < limit.same_class:
        raise ExportFailed(f"{what} must agree on {100 * limit.same_class:g} % of the classes: {found}")


def check_accuracy(expected: float, found: float, what: str) -> None:
    """Raise ExportFailed where a file's accuracy on val is too far below that of its row on the board."""
    if found < expected - ACCURACY_LOSS:
        lost = f"loses {100 * (expected - found):.2f} points of accuracy on val, more than {100 * ACCURACY_LOSS:g}"
        raise ExportFailed(f"{what} {lost}: its row on the board has {100 * expected:.2f} %")


def in_batches(recognise: Recogniser, crops: np.ndarray) -> np.ndarray:
    """Return probabilities of many crops, a few at a time."""
    return np.concatenate([recognise(crops[start : start + AT_ONCE]) for start in range(0, len(crops), AT_ONCE)])


def made_up_images(shape: tuple[int, int, int], count: int = IMAGES) -> np.ndarray:
    """Return uint8 images [count, *shape] that stand for faces where there are none: soft blobs of all brightnesses."""
    random = np.random.default_rng(0)
    channels, height, width = shape
    coarse = random.uniform(0, 255, (count, channels, 6, 6))
    rows, columns = (np.arange(side) * 6 // side for side in (height, width))
    blocks = coarse[:, :, rows][..., columns]
    return np.clip(blocks + random.normal(0, 20, blocks.shape), 0, 255).astype(np.uint8)


def crops_of_other_sizes(count: int = 4) -> list[np.ndarray]:
    """Return made-up crops of sizes that no network has."""
    return [np.moveaxis(made_up_images((3, *size), count), 1, 3) for size in OTHER_SIZES]

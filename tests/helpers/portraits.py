"""Faces to build data sets of: real ones of FER2013 with their FER+ votes where they are at hand, else drawn ones."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.data.ferplus.votes import CLASSES, read_votes, shares

PLACES = [os.environ.get("BENCHMARK_DATA", ""), str(Path(__file__).resolve().parents[3] / "shared" / "data")]
FOLDER = next(
    (Path(place) / "fer2013" for place in PLACES if place and (Path(place) / "fer2013" / "fer2013.parquet").is_file()),
    None,
)
# Valence and arousal of the eight expressions on the circumplex, roughly as AffectNet's annotators place them.
CIRCUMPLEX = np.array(
    [[0.0, 0.0], [0.8, 0.2], [0.2, 0.8], [-0.7, -0.3], [-0.5, 0.7], [-0.7, 0.4], [-0.3, 0.8], [-0.5, 0.3]]
)


@dataclass(frozen=True)
class Portraits:
    """Faces of the eight expressions of FER+.

    images   uint8 [N,48,48]
    targets  int64 [N], indices of CLASSES
    votes    float32 [N,8], shares
    affect   float32 [N,2], valence and arousal: the votes' mean place on the circumplex
    """

    images: np.ndarray
    targets: np.ndarray
    votes: np.ndarray

    @property
    def affect(self) -> np.ndarray:
        return (self.votes @ CIRCUMPLEX).astype(np.float32)

    @property
    def names(self) -> list[str]:
        """Each one's expression."""
        return [CLASSES[target] for target in self.targets]


@cache
def portraits(each: int, classes: tuple[str, ...] = CLASSES) -> Portraits:
    """`each` faces of every one of the classes, in turn: class 0, 1, ..., 0, 1, ...; the same on every call.

    Contempt is rare in FER+: real faces of it come again where more are asked for than there are.
    """
    return _drawn(each, classes) if FOLDER is None else _real(each, classes, FOLDER)


def _real(each: int, classes: tuple[str, ...], folder: Path) -> Portraits:
    import pyarrow.parquet as pq

    votes = shares(read_votes(folder / "fer2013new.csv")[0], "crossentropy")
    targets = np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
    found = [np.flatnonzero(targets == CLASSES.index(name)) for name in classes]
    rows = np.stack([np.resize(of_class, each) for of_class in found], axis=1).ravel()
    encoded = pq.read_table(folder / "fer2013.parquet", columns=["image"])["image"].take(rows)
    images = [np.asarray(Image.open(io.BytesIO(image["bytes"])).convert("L")) for image in encoded.to_pylist()]
    return Portraits(np.stack(images), targets[rows], votes[rows])


def _drawn(each: int, classes: tuple[str, ...]) -> Portraits:
    """Ovals with eyes, brows and a mouth that the expression bends and opens."""
    random = np.random.default_rng(0)
    targets = np.tile([CLASSES.index(name) for name in classes], each)
    images = [_face(target, random) for target in targets]
    votes = np.full((len(targets), len(CLASSES)), 0.2 / (len(CLASSES) - 1), dtype=np.float32)
    votes[np.arange(len(targets)), targets] = 0.8
    return Portraits(np.stack(images), targets, votes)


def _face(target: int, random: np.random.Generator) -> np.ndarray:
    valence, arousal = CIRCUMPLEX[target] + random.normal(0, 0.05, 2)
    image = Image.new("L", (48, 48), int(random.integers(20, 90)))
    draw = ImageDraw.Draw(image)
    x, y = (int(offset) for offset in random.integers(-2, 3, 2))
    draw.ellipse((8 + x, 4 + y, 40 + x, 46 + y), fill=int(random.integers(150, 220)))
    for eye in (18, 30):
        draw.ellipse((eye - 2 + x, 18 - 3 * arousal + y, eye + 2 + x, 22 + y), fill=20)
        draw.line((eye - 4 + x, 14 - 4 * arousal + y, eye + 4 + x, 14 - 2 * valence + y), fill=30, width=2)
    corners = 36 - 6 * valence + y
    draw.line((17 + x, corners, 24 + x, 36 + y, 31 + x, corners), fill=30, width=2)
    draw.ellipse((21 + x, 36 + y, 27 + x, 37 + max(0.0, 6 * arousal) + y), fill=30)
    noisy = np.asarray(image) + random.normal(0, 6, (48, 48))
    return np.clip(noisy, 0, 255).astype(np.uint8)

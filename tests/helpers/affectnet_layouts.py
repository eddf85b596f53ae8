"""AffectNet's layouts on disk, built of portraits: `python -m tests.helpers.affectnet_layouts DIR --train 200 --val
40`."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.data.affectnet.forms import COLUMNS, SETS
from benchmarks.data.affectnet.reader import CLASSES
from benchmarks.data.expressions import expression
from benchmarks.data.ferplus.votes import CLASSES as VOTED
from tests.helpers.portraits import portraits

CODE_OF = {name: CLASSES.index(expression(name)) for name in VOTED}  # of AffectNet, for FER+'s name of it


def faces(train: int, val: int) -> dict[str, list[tuple[np.ndarray, int, np.ndarray]]]:
    """Image [48,48], code, and valence and arousal of each face of both sets: `train` and `val` of every expression.

    Every eleventh has no rating, and one in each set is of no expression at all.
    """
    found = portraits(train + val)
    every = list(zip(found.images, (CODE_OF[name] for name in found.names), found.affect.round(6), strict=True))
    parts = {"validation": every[: val * len(VOTED)], "training": every[val * len(VOTED) :]}
    unrated = np.full(2, -2.0)
    for name, part in parts.items():
        rated = [(image, code, unrated if row % 11 == 10 else affect) for row, (image, code, affect) in enumerate(part)]
        parts[name] = [*rated, (found.images[0], 9, unrated)]
    return parts


def write_folders(root: Path, train: int, val: int) -> Path:
    """train_set and val_set, each with images/0.jpg ... and annotations/0_exp.npy ...; returns the folder."""
    for name, part in faces(train, val).items():
        write_set(root / SETS[name][0], part)
    return root


def write_flat(root: Path, each: int) -> Path:
    """images and annotations of the validation set alone; returns the folder."""
    return write_set(root, faces(0, each)["validation"])


def write_set(root: Path, part: Sequence[tuple[np.ndarray, int, np.ndarray]]) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for number, (image, code, affect) in enumerate(part):
        Image.fromarray(image).save(root / "images" / f"{number}.jpg", quality=95)
        for ending, value in (("exp", code), ("val", affect[0]), ("aro", affect[1])):
            np.save(root / "annotations" / f"{number}_{ending}.npy", np.array(str(value)))  # as circulating copies do
        np.save(root / "annotations" / f"{number}_lnd.npy", np.zeros(136))
    return root


def write_lists(root: Path, train: int, val: int, headings: bool = True) -> Path:
    """training.csv and validation.csv beside Manually_Annotated_Images; returns the folder."""
    for name, part in faces(train, val).items():
        pictures = root / "Manually_Annotated_Images"
        rows = []
        for number, (image, code, affect) in enumerate(part):
            path = Path(str(number % 3)) / f"{name}{number}.png"
            (pictures / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(pictures / path)
            rows.append([path, 0, 0, 48, 48, "1.0;2.0", code, *affect])
        with (root / SETS[name][1]).open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows] if headings else rows)
    return root


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=200, help="training images of each expression")
    parser.add_argument("--val", type=int, default=40, help="validation images of each expression")
    parser.add_argument("--form", choices=("folders", "lists"), default="folders")
    arguments = parser.parse_args()
    write = write_folders if arguments.form == "folders" else write_lists
    print(write(arguments.folder, arguments.train, arguments.val))

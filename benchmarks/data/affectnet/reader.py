"""AffectNet (arXiv:1708.03985): faces from the web with eight expressions, valence and arousal.

There is no public test split. Here the official validation images are the test split, and val is cut off the training
images, so that the official ones choose nothing; or the official ones alone are cut in three.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.data.affectnet.forms import COMPLETE, IMAGES, UNRATED, Listing, find
from benchmarks.data.cache import cached
from benchmarks.data.dataset import DataOptions, Dataset, Split
from benchmarks.data.errors import DataError
from benchmarks.data.fingerprint import assemble
from benchmarks.data.image_files import read_images
from benchmarks.data.locate import usual_roots
from benchmarks.data.splits import draw, hold_out
from benchmarks.data.walk import only_folder

CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")  # codes 0 to 7
SIDE = 96  # what most of the zoo takes; at 112 the 287,651 training images would pass 10 GB, here they have 8
SUBFOLDER = "affectnet"
VAL_SHARE = 5  # of a class's training images, at most one in so many go to val
OFFICIAL = (3999, 4000)  # validation images: as most copies have them, and as published
HELP = """AffectNet is given for research, on request: https://mohammadmahoor.com/pages/databases/affectnet/
Two forms of it are taken, each with the images beside it:
  - train_set/images/0.jpg ..., train_set/annotations/0_exp.npy, 0_val.npy, 0_aro.npy ..., and the same in val_set
  - training.csv and validation.csv with the columns subDirectory_filePath, expression, valence, arousal,
    and Manually_Annotated_Images
Put it into data/affectnet or $BENCHMARK_DATA/affectnet, or give its place: --data DIR"""


@dataclass(frozen=True, eq=False)
class Part:
    """One official set: its images of the eight expressions, and what is to be said of it."""

    split: Split
    source: str
    notes: tuple[str, ...]


def official(options: DataOptions, classes: int) -> Dataset:
    """Read the official validation images as test, and divide the training images into val and train. RGB or grey
    [N,C,side,side].

    Val has as many images of each class as test, at most a fifth of the class: it chooses for a test split in which all
    classes are alike, which training images are not. `classes` is 8, or 7 without contempt. Raises DataError.
    """
    _check_apart(_found(options.path, "training"), _found(options.path, "validation"))
    training, validation = _read(options, "training"), _read(options, "validation")
    pool, test = _first_classes(training.split, classes), _first_classes(validation.split, classes)
    channels = max(pool.images.shape[1], test.images.shape[1])
    pool, test = _with_channels(pool, channels), _with_channels(test, channels)
    stays, held = _hold_out_like(pool.targets, np.bincount(test.targets, minlength=classes), options.seed)
    splits = {"train": pool.take(stays), "val": pool.take(held), "test": test}
    notes = [*training.notes, *validation.notes]
    if classes < len(CLASSES):
        notes.append(f"Images of {', '.join(CLASSES[classes:])} are left out.")
    if len(validation.split) not in OFFICIAL:
        count, usual = len(validation.split), OFFICIAL[1]
        notes.append(f"{count:,} validation images, the original {usual:,}: scores do not compare to published ones.")
    return assemble(splits, CLASSES[:classes], training.source, notes)


def validation_alone(options: DataOptions) -> Dataset:
    """Divide the official validation images 80/10/10, stratified by class, by the options' seed; raise DataError."""
    part = _read(options, "validation")
    train, rest = hold_out(part.split.targets, 0.2, options.seed)
    val, test = hold_out(part.split.targets[rest], 0.5, options.seed)
    rows = {"train": train, "val": rest[val], "test": rest[test]}
    return assemble({name: part.split.take(some) for name, some in rows.items()}, CLASSES, part.source, part.notes)


def refuse_download(folder: Path) -> Path:
    """Raise DataError with the way to AffectNet, which nobody may hand on."""
    raise DataError(f"AffectNet cannot be downloaded by a program.\n{HELP}")


def _read(options: DataOptions, name: str) -> Part:
    """Read a set through the cache; raise DataError where it is not there or not in order."""
    listing, side = _found(options.path, name), options.side or SIDE
    dataset = cached(f"affectnet-{side}", listing.root, listing.files, lambda: _decoded(listing, name, side))
    return Part(dataset.train, dataset.source, dataset.notes)


def _check_apart(training: Listing, validation: Listing) -> None:
    """Raise DataError where both sets are one folder by two names."""
    one, other = (listing.root / IMAGES for listing in (training, validation))
    if training.root != validation.root and one.exists() and other.exists() and one.samefile(other):
        raise DataError(
            f"{one} and {other} are the same folder: trained on it, members would know every test image. Put each "
            f"set's own images there. {COMPLETE}"
        )


def _found(data_dir: Path | None, name: str) -> Listing:
    places = _places(data_dir)
    for place in places:
        listing = find(place, name)
        if listing is not None:
            return listing
    looked = "\n".join(f"  {place}{'' if place.exists() else ' (does not exist)'}" for place in places)
    raise DataError(f"AffectNet's {name} set was not found. Looked in:\n{looked}\n{HELP}")


def _places(data_dir: Path | None) -> list[Path]:
    if data_dir is not None:
        given = Path(os.path.expanduser(data_dir))
        return list(dict.fromkeys([given, given / SUBFOLDER, *only_folder(given)]))
    return [root / SUBFOLDER for root in usual_roots()]


def _decoded(listing: Listing, name: str, side: int) -> Dataset:
    """Decode a set into a data set with empty val and test, which is what the cache keeps."""
    annotated = listing.read()
    kept = np.flatnonzero(annotated.expression < len(CLASSES))
    if not len(kept):
        raise DataError(f"{listing.root}: no image of the {name} set has an expression from 0 to {len(CLASSES) - 1}.")
    notes: list[str] = []
    images = read_images([annotated.images[row] for row in kept], side, notes)
    affect = annotated.affect[kept]
    split = Split(images, annotated.expression[kept], np.zeros(len(kept), dtype=str), affect=affect)
    nothing = split.take(np.arange(0))
    if left_out := len(annotated.images) - len(kept):
        images_of = f"{left_out:,} of {len(annotated.images):,} images"
        notes.append(f"The {name} set: {images_of} left out, for no expression, an uncertain one, or no face.")
    if unrated := int((affect == UNRATED).any(axis=1).sum()):
        notes.append(f"The {name} set: {unrated:,} of {len(kept):,} images have no valence and arousal.")
    return assemble({"train": split, "val": nothing, "test": nothing}, CLASSES, listing.form, notes)


def _first_classes(split: Split, classes: int) -> Split:
    return split if classes == len(CLASSES) else split.take(np.flatnonzero(split.targets < classes))


def _with_channels(split: Split, channels: int) -> Split:
    return split if split.images.shape[1] == channels else replace(split, images=split.images.repeat(channels, axis=1))


def _hold_out_like(targets: np.ndarray, wanted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold out as many rows of each class as wanted [K], at most one in VAL_SHARE; return the others, and these."""
    counts = np.bincount(targets, minlength=len(wanted))
    if counts.min() < VAL_SHARE:
        rare = int(counts.argmin())
        raise DataError(
            f"The training set has {counts[rare]} images of {CLASSES[rare]}; at least {VAL_SHARE} of every class are "
            "needed to cut a val split off it."
        )
    held = draw(targets, np.minimum(wanted, counts // VAL_SHARE), seed)
    return np.setdiff1d(np.arange(len(targets)), held), held

"""Reader of anyone's images: a folder a class, with or without folders around them that say the split."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.data.cache import cached
from benchmarks.data.copies import near_copies_in
from benchmarks.data.dataset import SPLIT_NAMES, DataOptions, Dataset, Split
from benchmarks.data.errors import DataError
from benchmarks.data.fingerprint import also_in, assemble, digests
from benchmarks.data.folder.groups import read_groups
from benchmarks.data.folder.hints import hints
from benchmarks.data.folder.layout import Layout, scan
from benchmarks.data.folder.splits import Assignment, assign
from benchmarks.data.image_files import read_images, shorter_sides
from benchmarks.files import csv_text

LARGEST_SIDE = 112
MOST = 0.5  # of the test images in train: more of them, and the score is of little else
SAMPLE = 500  # images whose size is looked at, of all parts of the folder


def load(options: DataOptions, *, cache_dir: Path | None = None) -> Dataset:
    """Load the images [N, C, side, side] of `options.path`, with one channel where all are grey; classes are named
    after their folders.

    Splits are those of the folders where they say any (benchmarks/data/folder/splits.py), else drawn by
    `options.seed`; images of one of `options.groups` (benchmarks/data/folder/groups.py) never stand in two of them. The
    listing `splits.csv` says which file is in which; an image's row is its place there.

    Raises DataError where there is no folder, or its layout is not one that can be scored.
    """
    root = Path(os.path.expanduser(options.path or ""))
    if options.path is None or not root.is_dir():
        seen = "--data is missing" if options.path is None else f"{root}: there is no such folder"
        raise DataError(f"{seen}.\n{HELP}")
    try:
        layout = scan(root)
        groups = read_groups(options.groups, root, layout.files) if options.groups else None
        assignment = assign(layout, groups, options.seed)
        inputs = [str(root / file) for file in layout.files]
        if Path(options.groups).is_file():
            inputs.append(options.groups)
        build = partial(_build, root, layout, assignment, options.side)
        dataset = cached(f"folder-{_digest(options)}", root, inputs, build, cache_dir)
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({error.strerror or error}).") from error
    notes = (*hints(layout.files, options.groups), *layout.notes, *assignment.notes, *dataset.notes)
    listings = {"splits.csv": _listing(layout, assignment, groups)}
    known = dataset if groups is None else _grouped(dataset, groups)
    return replace(known, notes=notes, listings=listings)


def _grouped(dataset: Dataset, groups: np.ndarray) -> Dataset:
    """Add the number of each image's group; an image's row is its place in `groups`."""
    numbers = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    train, val, test = (replace(split, groups=numbers[split.rows]) for split in dataset.splits().values())
    return replace(dataset, train=train, val=val, test=test)


def _digest(options: DataOptions) -> str:
    """Hash what decides the arrays beside the files."""
    decisive = json.dumps([options.side, options.groups, options.seed]).encode()
    return hashlib.blake2b(decisive, digest_size=4).hexdigest()


def _build(root: Path, layout: Layout, assignment: Assignment, side: int | None) -> Dataset:
    order = np.concatenate([assignment.rows[name] for name in SPLIT_NAMES])
    files = [layout.files[row] for row in order]
    paths, targets = [root / file for file in files], layout.targets[order]
    notes: list[str] = []
    pixels = read_images(paths, side or usual_side(paths), notes)
    splits, start = {}, 0
    for name in SPLIT_NAMES:
        part = slice(start, start + len(assignment.rows[name]))
        splits[name] = Split(pixels[part], targets[part], files[part], rows=order[part])
        start = part.stop
    notes += [*_contradictions(pixels, targets, files, layout.classes), *_seen_in_train(splits)]
    return assemble(splits, layout.classes, "class folders", notes)


def usual_side(files: Sequence[Path]) -> int:
    """Choose the side at which images are stored: the median shorter side, at most LARGEST_SIDE.

    Images of one size are thus kept pixel by pixel. No member that trains in minutes looks at more than 112 pixels;
    those that do want --image-side, and four times the memory for 224.
    """
    sides = shorter_sides(files[:: max(1, len(files) // SAMPLE)])
    return min(LARGEST_SIDE, int(np.median(sides))) if sides else LARGEST_SIDE


def _seen_in_train(splits: Mapping[str, Split]) -> list[str]:
    """Write a note where training has most of the test images."""
    seen = also_in(splits["test"].images, splits["train"].images)
    if seen.mean() <= MOST:
        return _near_copies(splits)
    return [
        f"{seen.sum():,} of {len(seen):,} test images also stand in train, pixel for pixel: the score is mostly of how "
        "well members remember them. Remove the copies, or keep each image's copies in one split by --groups."
    ]


def _near_copies(splits: Mapping[str, Split]) -> list[str]:
    """Write a note for val and test each where training has near copies of their images."""
    notes = []
    for name in ("val", "test"):
        found = near_copies_in(splits[name].images, splits["train"].images)
        if found is not None and found.any():
            first = splits[name].ids[int(np.flatnonzero(found)[0])]
            notes.append(
                f"{found.sum():,} of {len(found):,} {name} images show a photograph that also stands in train, such as "
                f"{first}: keep each photograph's copies in one split by --groups, or remove them."
            )
    return notes


def _contradictions(
    pixels: np.ndarray, targets: np.ndarray, files: Sequence[str], classes: Sequence[str]
) -> tuple[str, ...]:
    """Write a note where equal pixels are of several classes."""
    rows: dict[bytes, list[int]] = {}
    for row, digest in enumerate(digests(pixels)):
        rows.setdefault(digest, []).append(row)
    found = [twins for twins in rows.values() if len(set(targets[twins])) > 1]
    if not found:
        return ()
    first = found[0][0]
    other = next(row for row in found[0] if targets[row] != targets[first])
    return (
        f"{sum(map(len, found)):,} images have the pixels of another one of another class, such as {files[first]} "
        f"({classes[targets[first]]}) and {files[other]} ({classes[targets[other]]}): at least one label is wrong.",
    )


def _listing(layout: Layout, assignment: Assignment, groups: np.ndarray | None) -> str:
    """Write a CSV with a line for each image, in the order of their paths."""
    split_of = {row: name for name in SPLIT_NAMES for row in assignment.rows[name].tolist()}
    lines = [
        (file, split_of[row], layout.classes[layout.targets[row]], *(() if groups is None else (groups[row],)))
        for row, file in enumerate(layout.files)
    ]
    return csv_text(("file", "split", "class", *(("group",) if groups is not None else ())), lines)


HELP = """Give a folder of images, in folders named after their classes: --suite folder --data DIR
  DIR/happy/1.jpg              or, with splits of your own     DIR/train/happy/1.jpg
  DIR/happy/2.png                                              DIR/val/happy/2.png
  DIR/sad/3.jpg                                                DIR/test/sad/3.jpg
Sizes, formats and colours may differ. Without folders for the splits, images are split 80:10:10 by --split-seed."""

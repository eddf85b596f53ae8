"""Data sets made of another one: fewer classes, balanced classes, test images that training has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.data.copies import near_copies_in
from benchmarks.data.dataset import Dataset, Split
from benchmarks.data.errors import DataError
from benchmarks.data.fingerprint import also_in, assemble
from benchmarks.data.splits import draw
from benchmarks.files import csv_text


def of_classes(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Keep only the images of these classes, which become 0, 1, ... in the order given."""
    places = {dataset.classes.index(name): place for place, name in enumerate(names)}
    splits = {}
    for name, split in dataset.splits().items():
        kept = split.take(np.flatnonzero(np.isin(split.targets, list(places))))
        splits[name] = replace(kept, targets=np.array([places[target] for target in kept.targets], dtype=np.int64))
    return assemble(splits, names, dataset.source, dataset.notes)


def downsampled(dataset: Dataset, seed: int = 0) -> Dataset:
    """Draw as many training images of every class as the rarest one has, without replacement; val and test stay."""
    train = dataset.train
    counts = np.bincount(train.targets, minlength=len(dataset.classes))
    if not counts.all():
        raise DataError(f"No training image of {dataset.classes[int(counts.argmin())]}: classes cannot be balanced.")
    kept = train.take(draw(train.targets, np.full_like(counts, counts.min()), seed))
    note = f"{len(train) - len(kept):,} training images left out: {counts.min():,} of each class stay."
    return assemble({**dataset.splits(), "train": kept}, dataset.classes, dataset.source, (*dataset.notes, note))


def deduplicated(dataset: Dataset, near: bool = False) -> Dataset:
    """Leave out the test images whose pixels also stand in train; `listings` name every one of them.

    Where `near`, also those that show a photograph of train in other pixels (benchmarks/data/copies.py).
    """
    seen = also_in(dataset.test.images, dataset.train.images)
    why = "they also stand in train"
    if near:
        alike = near_copies_in(dataset.test.images, dataset.train.images)
        seen = seen if alike is None else seen | alike
        why = "their photographs also stand in train"
    note = f"{seen.sum():,} of {len(seen):,} test images left out, because {why} (removed.csv)."
    splits = {**dataset.splits(), "test": dataset.test.take(np.flatnonzero(~seen))}
    result = assemble(splits, dataset.classes, dataset.source, (*dataset.notes, note))
    return replace(result, listings={"removed.csv": _listing(dataset.test.take(np.flatnonzero(seen)), dataset.classes)})


def _listing(split: Split, classes: Sequence[str]) -> str:
    """Write a CSV with a line for each image: id, row of the original file where it is known, class."""
    rows = [""] * len(split) if split.rows is None else split.rows.tolist()
    lines = zip(split.ids, rows, (classes[target] for target in split.targets), strict=True)
    return csv_text(("id", "row", "class"), lines)

"""List images that show one photograph, across splits: `python benchmark.py near-copies --suite fer2013 --data DIR`.

Written are row numbers, classes and groups (results/<suite>/near_copies.csv), and to results/<suite>/local, which git
ignores, a sheet of pairs drawn at random, to judge by eye how often they are one photograph.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.commands.contact_sheet import LOCAL, draw_images
from benchmarks.commands.options import suite_arguments
from benchmarks.data import Dataset
from benchmarks.data.copy_groups import CopyGroups, copy_groups
from benchmarks.data.dataset import SPLIT_NAMES
from benchmarks.files import csv_text, write_atomic
from benchmarks.report.figures.style import Chart, save
from benchmarks.session import Session, options_from

COLUMNS = ("group", "split", "row", "id", "class", "pixels", "labels")
PAIRS = 32  # on the sheet


def arguments(parser: ArgumentParser) -> None:
    """Add whose images."""
    suite_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Write the list and the sheet, and say what was found."""
    session = Session(options_from(arguments))
    with session.folds[0].images() as dataset:
        groups = copy_groups(dataset)
        path = session.folder / "near_copies.csv"
        write_atomic(path, listing(groups, dataset))
        sheet = draw(groups, dataset, session.folder / LOCAL)
        print(found(groups, dataset))
    print("\n".join(map(str, [path, *sheet])))


def found(groups: CopyGroups, dataset: Dataset) -> str:
    """Say in a sentence how many groups there are, across splits, and with labels that contradict each other."""
    count, images = int(groups.group.max(initial=-1)) + 1, len(groups.group)
    return (
        f"{images:,} images in {count:,} groups show one photograph each; {len(groups.across()):,} groups stand in "
        f"more than one split, {len(groups.conflicting(dataset)):,} have labels that contradict each other"
    )


def listing(groups: CopyGroups, dataset: Dataset) -> str:
    """Return a CSV with a line for each image that has a copy: row of the original file, where known, and id."""
    splits, conflicts = list(dataset.splits().values()), set(groups.conflicting(dataset).tolist())
    lines = []
    for group, place, row, exact in zip(groups.group, groups.split, groups.row, groups.exact, strict=True):
        split = splits[place]
        number = "" if split.rows is None else int(split.rows[row])
        name, labels = dataset.classes[split.targets[row]], "differ" if int(group) in conflicts else "agree"
        lines.append((group, SPLIT_NAMES[place], number, split.ids[row], name, "same" if exact else "other", labels))
    return csv_text(COLUMNS, lines)


def draw(groups: CopyGroups, dataset: Dataset, folder: Path) -> list[Path]:
    """Draw pairs of other pixels, drawn at random, one image beside the other; none where there are none."""
    splits = list(dataset.splits().values())
    starts = np.cumsum([0, *map(len, splits)])
    pairs = groups.pairs
    other = np.flatnonzero(pairs.correlation < 0.9999)
    chosen = np.random.default_rng(0).permutation(other)[:PAIRS]
    if not len(chosen):
        return []
    images, captions = [], []
    for pair in chosen:
        for row in (pairs.first[pair], pairs.second[pair]):
            place = int(np.searchsorted(starts, row, side="right")) - 1
            split, inside = splits[place], row - starts[place]
            images.append(split.images[inside])
            captions.append(
                (dataset.classes[split.targets[inside]], f"{SPLIT_NAMES[place]} {pairs.correlation[pair]:.3f}")
            )
    title = f"{len(chosen)} pairs that are taken for one photograph, of {len(other):,} with other pixels"
    note = "Two and two are a pair. Below: the given label; split, and correlation."
    folder.mkdir(parents=True, exist_ok=True)
    picture = partial(draw_images, title, note, np.stack(images), captions)
    return save(Chart(title, title, picture), folder / "near_copies")

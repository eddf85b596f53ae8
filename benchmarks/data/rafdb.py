"""RAF-DB, basic expressions (Li, Deng and Du 2017, doi:10.1109/CVPR.2017.277): 15,339 aligned faces, 100x100, colour.

The official list has no validation split: one is held out of the training images, so that the test images choose
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.cache import cached
from benchmarks.data.dataset import DataOptions, Dataset, Split
from benchmarks.data.errors import DataError, first_line
from benchmarks.data.expressions import FER2013_CLASSES
from benchmarks.data.fingerprint import assemble
from benchmarks.data.image_files import read_images
from benchmarks.data.locate import files_below, folder_of
from benchmarks.data.splits import hold_out

SIDE = 100  # that of the aligned images
VAL_SHARE = 0.1  # of the training images
LIST_NAMES = ("list_patition_label.txt", "list_partition_label.txt")  # as it is spelled officially, and in copies
LABELS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # 1 to 7 in the list
LINE = re.compile(r"((?:train|test)_\d+)\.jpg\s+(\S+)")
OFFICIAL = {"train": 12_271, "test": 3_068}
HELP = f"""RAF-DB is given to researchers on request, and nothing is downloaded here: http://www.whdeng.cn/RAF/model1.html
Put its folder basic, with EmoLabel/{LIST_NAMES[0]} and Image/aligned/train_00001_aligned.jpg ..., into data/rafdb, or
list and aligned images in any folder, and give its place:
python benchmark.py --suite rafdb --data DIR"""


@dataclass(frozen=True)
class Entry:
    """A line of the list: `split` is train or test, `row` its line from 0."""

    file: Path
    split: str
    target: int
    row: int


def load(options: DataOptions) -> Dataset:
    """The official test split, and the official training split without the tenth of every class that `options.seed`
    holds out for validation; raises DataError."""
    official = _read(options)
    train = official.train
    assert train.rows is not None
    order = np.argsort(train.rows, kind="stable")  # so that the side of the images moves none of them
    stays, held = (np.sort(order[part]) for part in hold_out(train.targets[order], VAL_SHARE, options.seed))
    splits = {"train": train.take(stays), "val": train.take(held), "test": official.test}
    return assemble(splits, official.classes, official.source, official.notes)


def _read(options: DataOptions) -> Dataset:
    """The official splits, validation empty."""
    listing = _find_list(folder_of("rafdb", options.path, HELP))
    root = listing.parent.parent if listing.parent.name == "EmoLabel" else listing.parent
    entries = read_list(listing, _aligned(files_below(root)))
    side = options.side or SIDE
    files = [str(listing), *(str(entry.file) for entry in entries)]
    try:
        return cached(f"rafdb-{side}", root, files, lambda: _build(entries, side))
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({first_line(error)}).") from error


def _find_list(folder: Path) -> Path:
    """The list of the basic expressions: a second one, of the compound expressions, may lie beside it."""
    found = [file for file in files_below(folder) if file.name in LIST_NAMES]
    basic = [file for file in found if "compound" not in file.relative_to(folder).parts]
    if not basic:
        raise DataError(f"{folder}: holds no {LIST_NAMES[0]}.\n{HELP}")
    if len(basic) > 1:
        raise DataError(f"{basic[0]} and {basic[1]} are both RAF-DB's list. Keep one, or give its folder by --data.")
    return basic[0]


def _aligned(files: Iterable[Path]) -> dict[str, Path]:
    """The aligned images by the name that the list gives them, without its ending."""
    ending = "_aligned"
    return {file.stem.removesuffix(ending): file for file in files if file.stem.endswith(ending)}


def read_list(listing: Path, aligned: dict[str, Path]) -> list[Entry]:
    """The list's lines with their images. Raises DataError naming the line that is wrong or the image missing."""
    entries: dict[str, Entry] = {}
    missing = []
    for row, line in enumerate(_lines(listing)):
        where = f"{listing}, line {row + 1}"
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise DataError(f"{where}: {line.strip()!r} is not as 'train_00001.jpg 5' is; use the official list.")
        name, target = match[1], _target(match[2], where)
        if name in entries:
            raise DataError(f"{where}: {name}.jpg is there for a second time; use the official list.")
        if name not in aligned:
            missing.append(name)
        entries[name] = Entry(aligned.get(name, listing), name.partition("_")[0], target, row)
    if missing:
        raise DataError(
            f"{listing}: {len(missing):,} of {len(entries):,} images are missing, such as {missing[0]}_aligned.jpg. "
            "Unpack RAF-DB's aligned images beside the list."
        )
    for split in OFFICIAL:
        if not any(entry.split == split for entry in entries.values()):
            raise DataError(f"{listing}: names no {split} image; use the official list.")
    return list(entries.values())


def _lines(listing: Path) -> Sequence[str]:
    try:
        return listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{listing}: cannot be read ({first_line(error)}).") from error


def _target(text: str, where: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= len(LABELS):
        return FER2013_CLASSES.index(LABELS[int(text) - 1])
    meaning = ", ".join(f"{number} {name}" for number, name in enumerate(LABELS, start=1))
    raise DataError(f"{where}: label {text!r} is not in 1..{len(LABELS)} ({meaning}).")


def _build(entries: Sequence[Entry], side: int) -> Dataset:
    images = read_images([entry.file for entry in entries], side)
    everything = Split(
        images,
        np.array([entry.target for entry in entries], dtype=np.int64),
        np.zeros(len(entries), dtype=str),
        rows=np.array([entry.row for entry in entries], dtype=np.int64),
    )
    of_split = np.array([entry.split for entry in entries])
    splits = {name: everything.take(np.flatnonzero(of_split == name)) for name in ("train", "val", "test")}
    notes = [
        f"The list names {len(splits[name]):,} {name} images, the official one {count:,}: scores do not compare to "
        "published ones."
        for name, count in OFFICIAL.items()
        if len(splits[name]) != count
    ]
    return assemble(splits, FER2013_CLASSES, "RAF-DB, aligned images", notes)

"""RAF-DB, basic expressions (Li, Deng and Du 2017, doi:10.1109/CVPR.2017.277): 15,339 aligned faces, 100x100, colour.

The official list has no validation split: one is held out of the training images, so that the test images choose
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.data.cache import cached
from benchmarks.data.dataset import DataOptions, Dataset, Split
from benchmarks.data.errors import DataError, first_line, shortened
from benchmarks.data.expressions import FER2013_CLASSES, expression
from benchmarks.data.fingerprint import assemble
from benchmarks.data.image_files import read_images
from benchmarks.data.locate import folder_of
from benchmarks.data.splits import hold_out
from benchmarks.data.walk import Walk, is_image, walk

SIDE = 100  # that of the aligned images
VAL_SHARE = 0.1  # of the training images
LIST_NAMES = ("list_patition_label.txt", "list_partition_label.txt")  # as it is spelled officially, and in copies
LABELS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # 1 to 7 in the list
LINE = re.compile(r"((?:train|test)_\d+)\.jpg\s+(\S+)")
FILE_NAME = re.compile(r"((?:train|test)_\d+)_aligned")
OFFICIAL = {"train": 12_271, "test": 3_068}
HELP = f"""RAF-DB is given to researchers on request, and nothing is downloaded here: http://www.whdeng.cn/RAF/model1.html
Put its folder basic, with EmoLabel/{LIST_NAMES[0]} and Image/aligned/train_00001_aligned.jpg, into data/rafdb, or
list and aligned images in any folder, and give its place: python benchmark.py --suite rafdb --data DIR
Without a list, aligned images are taken from class folders: DIR/train/1/train_00001_aligned.jpg (1 is surprise)."""


@dataclass(frozen=True)
class Entry:
    """An image with its official name, such as train_00001: the name says the split."""

    file: Path
    name: str
    target: int

    @property
    def split(self) -> str:
        return self.name.partition("_")[0]


def load(options: DataOptions) -> Dataset:
    """Load the official test split, and the official training split without the tenth of every class that
    `options.seed` holds out for validation; raise DataError."""
    official = _read(options)
    train = official.train
    assert train.rows is not None
    order = np.argsort(train.rows, kind="stable")  # so that the side of the images moves none of them
    stays, held = (np.sort(order[part]) for part in hold_out(train.targets[order], VAL_SHARE, options.seed))
    splits = {"train": train.take(stays), "val": train.take(held), "test": official.test}
    return assemble(splits, official.classes, official.source, official.notes)


def _read(options: DataOptions) -> Dataset:
    """Read the official splits; validation is empty."""
    walked = walk(folder_of("rafdb", options.path, HELP), by_name=True)
    listing = _find_list(walked)
    if listing is None:
        root, entries, files = walked.root, _sorted_into_folders(walked), []
    else:
        root = listing.parent.parent if listing.parent.name == "EmoLabel" else listing.parent
        beside = [path for path in walked.paths() if path.is_relative_to(root)]
        entries, files = read_list(listing, _aligned(beside)), [str(listing)]
    side = options.side or SIDE
    files += [str(entry.file) for entry in entries]
    try:
        found = cached(f"rafdb-{side}", root, files, lambda: _build(entries, side))
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({first_line(error)}).") from error
    return replace(found, notes=(*found.notes, *walked.notes()))


def _find_list(walked: Walk) -> Path | None:
    """Find the list of the basic expressions; a second one, of the compound expressions, may lie beside it."""
    found = [path for path in walked.paths() if path.name in LIST_NAMES]
    basic = [path for path in found if "compound" not in path.relative_to(walked.root).parts]
    if len(basic) > 1:
        raise DataError(f"{basic[0]} and {basic[1]} are both RAF-DB's list. Keep one, or give its folder by --data.")
    return basic[0] if basic else None


def _aligned(files: Sequence[Path]) -> dict[str, Path]:
    """Return the aligned images by their official names; raise DataError where two files bear one."""
    found: dict[str, Path] = {}
    for file in files:
        match = FILE_NAME.fullmatch(file.stem)
        if match is None or not is_image(file.name):
            continue
        if match[1] in found:
            raise DataError(f"{file}: is there twice, also as {found[match[1]]}. Keep one of them.")
        found[match[1]] = file
    return found


def _sorted_into_folders(walked: Walk) -> list[Entry]:
    """List the aligned images of copies without a list: the folder around an image is its class, by number or by name.

    Raises DataError where there are none, or a folder says no class or another split than the image's name.
    """
    aligned = _aligned(walked.paths())
    if not any(_is_class(file.parent.name) for file in aligned.values()):
        raise DataError(f"{walked.root}: holds no {LIST_NAMES[0]}.\n{HELP}")
    entries = [Entry(file, name, _folder_target(file)) for name, file in aligned.items()]
    for entry in entries:
        around = {part.lower() for part in entry.file.relative_to(walked.root).parts[:-1]}
        if around & OFFICIAL.keys() - {entry.split}:
            raise DataError(f"{entry.file}: an image of {entry.split} in a folder of another split. One is wrong.")
    _check_splits(walked.root, entries)
    return _in_official_order(entries)


def _is_class(folder: str) -> bool:
    return folder.isdecimal() or expression(folder) in FER2013_CLASSES


def _folder_target(file: Path) -> int:
    folder = file.parent.name
    if not _is_class(folder):
        raise DataError(
            f"{file}: {folder!r} is no class, as the folders around other images are. Sort all images into folders "
            f"called 1 to {len(LABELS)} ({_meaning()}) or by these names, or put {LIST_NAMES[0]} beside them."
        )
    return _target(folder, str(file.parent)) if folder.isdecimal() else FER2013_CLASSES.index(expression(folder))


def _in_official_order(entries: Sequence[Entry]) -> list[Entry]:
    """Sort training images first, each part by number: the order of the official list, whatever that of a copy is."""
    return sorted(entries, key=lambda entry: (entry.split == "test", int(entry.name.partition("_")[2])))


def _check_splits(where: Path, entries: Sequence[Entry]) -> None:
    for split in OFFICIAL:
        if not any(entry.split == split for entry in entries):
            raise DataError(f"{where}: names no {split} image; use the official list, and all images.")


def read_list(listing: Path, aligned: dict[str, Path]) -> list[Entry]:
    """Read the list's lines with their images, in the official order; raise DataError naming the line that is wrong or
    the image missing."""
    entries: dict[str, Entry] = {}
    missing = []
    for row, line in enumerate(_lines(listing)):
        where = f"{listing}, line {row + 1}"
        match = LINE.fullmatch(line.strip())
        if match is None:
            seen = shortened(repr(line.strip()))
            raise DataError(f"{where}: {seen} is not as 'train_00001.jpg 5' is; use the official list.")
        name, target = match[1], _target(match[2], where)
        if name in entries:
            raise DataError(f"{where}: {name}.jpg is there for a second time; use the official list.")
        if name not in aligned:
            missing.append(name)
        entries[name] = Entry(aligned.get(name, listing), name, target)
    if missing:
        raise DataError(
            f"{listing}: {len(missing):,} of {len(entries):,} images are missing, such as {missing[0]}_aligned.jpg. "
            "Unpack RAF-DB's aligned images beside the list."
        )
    _check_splits(listing, list(entries.values()))
    return _in_official_order(list(entries.values()))


def _lines(listing: Path) -> Sequence[str]:
    try:
        return listing.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{listing}: cannot be read ({first_line(error)}).") from error


def _target(text: str, where: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= len(LABELS):
        return FER2013_CLASSES.index(LABELS[int(text) - 1])
    raise DataError(f"{where}: label {text!r} is not in 1..{len(LABELS)} ({_meaning()}).")


def _meaning() -> str:
    return ", ".join(f"{number} {name}" for number, name in enumerate(LABELS, start=1))


def _build(entries: Sequence[Entry], side: int) -> Dataset:
    notes: list[str] = []
    images = read_images([entry.file for entry in entries], side, notes)
    everything = Split(
        images,
        np.array([entry.target for entry in entries], dtype=np.int64),
        np.zeros(len(entries), dtype=str),
        rows=np.arange(len(entries), dtype=np.int64),
    )
    of_split = np.array([entry.split for entry in entries])
    splits = {name: everything.take(np.flatnonzero(of_split == name)) for name in ("train", "val", "test")}
    notes += [
        f"This copy has {len(splits[name]):,} {name} images, the official one {count:,}: scores do not compare to "
        "published ones."
        for name, count in OFFICIAL.items()
        if len(splits[name]) != count
    ]
    return assemble(splits, FER2013_CLASSES, "RAF-DB, aligned images", notes)

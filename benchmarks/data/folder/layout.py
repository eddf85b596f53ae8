"""What a folder of class folders holds: its images, their classes, and the split that folders say they are of."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.dataset import SPLIT_NAMES
from benchmarks.data.errors import DataError
from benchmarks.data.image_files import ENDINGS

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders around the class folders, in lower case, and the split that each stands for."""
MOST_CLASSES = 256  # the store of predictions keeps targets in a byte


@dataclass(frozen=True, eq=False)
class Layout:
    """The images of a folder.

    files    their paths below it, with forward slashes, sorted
    targets  int64 [N], indices of classes
    splits   for each of train, val, test that has a folder, the rows in it, int64; empty where no folder says a split
    classes  names of the class folders: by number where all are numbers, else by alphabet
    notes    on what was left out
    """

    files: list[str]
    targets: np.ndarray
    splits: dict[str, np.ndarray]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Image:
    file: str
    label: str
    split: str  # "": no folder says it


def scan(root: Path) -> Layout:
    """The layout of a folder that exists; images in folders below a class folder are of that class.

    Raises DataError where it holds no images, one class, names that only differ by case, two folders for one split, or
    a split without one of the classes.
    """
    folders = _split_folders(root)
    homes = {name: split for split, name in folders.items()} or {"": ""}
    images: list[_Image] = []
    others: Counter[str] = Counter()
    for home, split in homes.items():
        images += _images(root, home, split, others)
    if not images:
        raise DataError(f"{root}: no images in class folders, such as {root.name}/happy/1.jpg ({', '.join(ENDINGS)}).")
    images.sort(key=lambda image: image.file)
    classes = _classes(root, images)
    place = {name: number for number, name in enumerate(classes)}
    targets = np.array([place[image.label] for image in images], dtype=np.int64)
    splits = {
        split: np.flatnonzero([image.split == split for image in images]) for split in SPLIT_NAMES if split in folders
    }
    _check_classes(folders, splits, targets, classes)
    return Layout([image.file for image in images], targets, splits, classes, _notes(root, folders, others))


def _split_folders(root: Path) -> dict[str, str]:
    """Names of the folders by the split they are for.

    A folder without folders in it is a class, whatever its name, and so is a lone one called train among others: trains
    and cars can be told apart, too.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name in _subfolders(root):
        if name.lower() in SPLIT_FOLDERS and _subfolders(root / name):
            found[SPLIT_FOLDERS[name.lower()]].append(name)
    for split, names in found.items():
        if len(names) > 1:
            raise DataError(f"{root}: {' and '.join(names)} are both folders of the {split} split; keep one of them.")
    if set(found) == {"train"} and len(_subfolders(root)) > 1:
        return {}
    if found and "train" not in found:
        alone = ", ".join(names[0] for names in found.values())
        raise DataError(f"{root}: {alone} without a folder train beside it; the three are train, val and test.")
    return {split: names[0] for split, names in found.items()}


def _images(root: Path, home: str, split: str, others: Counter[str]) -> list[_Image]:
    """Those in class folders of root/home; files that are no images, or in no class folder, are counted in `others`."""
    images = []
    for parent, folders, names in os.walk(root / home, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(parent).relative_to(root / home).parts
        for name in names:
            ending = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if ending in ENDINGS and below:
                images.append(_Image(Path(home, *below, name).as_posix(), below[0], split))
            else:
                others["in no class folder" if ending in ENDINGS else ending or "without ending"] += 1
    return images


def _refuse(error: OSError) -> None:
    raise error  # a class that cannot be read is not left out in silence


def _classes(root: Path, images: Iterable[_Image]) -> tuple[str, ...]:
    names = sorted({image.label for image in images})
    alike = _alike(names)
    if alike:
        raise DataError(
            f"{root}: the class folders {' and '.join(alike)} only differ by case, and may be one folder on another "
            "computer. Rename one, or put their images together."
        )
    if len(names) == 1:
        raise DataError(f"{root}: one class only, {names[0]}; at least two folders with images are needed.")
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{root}: {len(names):,} class folders, such as {names[0]} and {names[1]}; at most {MOST_CLASSES} can be "
            "scored. Is this the folder around the classes?"
        )
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else names)


def _alike(names: Sequence[str]) -> list[str]:
    """The first names that only differ by case, if any do."""
    lowered: dict[str, list[str]] = defaultdict(list)
    for name in names:
        lowered[name.lower()].append(name)
    return next((found for found in lowered.values() if len(found) > 1), [])


def _check_classes(
    folders: dict[str, str], splits: dict[str, np.ndarray], targets: np.ndarray, classes: Sequence[str]
) -> None:
    """Raises DataError where a split that has a folder lacks a class that another has."""
    for split, rows in splits.items():
        absent = [name for place, name in enumerate(classes) if not (targets[rows] == place).any()]
        if absent:
            raise DataError(
                f"{folders[split]}: no images of {', '.join(absent)}, which other splits have. Every class must be in "
                "every split: add images, or leave the class out of all."
            )


def _notes(root: Path, folders: dict[str, str], others: Counter[str]) -> tuple[str, ...]:
    notes = []
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items()))
        notes.append(f"Files that are no images in a class folder were left out: {kinds}.")
    beside = [name for name in _subfolders(root) if folders and name not in folders.values()]
    if beside:
        notes.append(f"Folders beside those of the splits were left out: {', '.join(beside)}.")
    return tuple(notes)


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))

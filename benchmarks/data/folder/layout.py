"""What a folder of class folders holds: its images, their classes, and the split that folders say they are of."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.dataset import SPLIT_NAMES
from benchmarks.data.errors import DataError
from benchmarks.data.folder.homes import Home, split_homes, unwrapped
from benchmarks.data.walk import ENDINGS, Repeat, Walk, is_image, subfolders, walk
from zoo.use.leftovers import is_leftover

MOST_CLASSES = 256  # the store of predictions keeps targets in a byte
UNREAD = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".cr2", ".nef", ".arw", ".dng", ".svg", ".psd")
"""Endings of images of kinds that are not read."""


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
class _Place:
    """A file's home, and the name of its class folder; "" where it lies in none."""

    home: Home
    label: str


def scan(root: Path) -> Layout:
    """Scan a folder that exists; images in folders below a class folder are of that class.

    Raises DataError where it holds no images, one class, a class without images, names that only differ by case or by
    spelling, two folders for one split, a split without one of the classes, or one file in two classes or splits.
    """
    top, notes = unwrapped(root)
    homes = split_homes(root, top)
    walked = walk(root, [home.path for home in homes])
    places = {file: _place(file, homes) for file in walked.files}
    images = [file for file in walked.files if is_image(file) and places[file].label]
    images.sort(key=lambda file: unicodedata.normalize("NFC", file))  # as macOS and Linux both have it
    if not images:
        raise DataError(f"{root}: no images in class folders, such as {root.name}/happy/1.jpg ({', '.join(ENDINGS)}).")
    for repeat in walked.repeats:
        _check_repeat(root, repeat, homes)
    others = Counter(_kind(file) for file in walked.files if not (is_image(file) and places[file].label))
    _check_filled(root, homes, walked, places)
    labels = [places[file].label for file in images]
    classes = _classes(root, labels)
    number = {name: place for place, name in enumerate(classes)}
    targets = np.array([number[unicodedata.normalize("NFC", label)] for label in labels], dtype=np.int64)
    splits = {
        split: np.flatnonzero([places[file].home.split == split for file in images])
        for split in SPLIT_NAMES
        if any(home.split == split for home in homes)
    }
    _check_classes({home.split: home.path for home in homes}, splits, targets, classes)
    return Layout(images, targets, splits, classes, (*notes, *_notes(root / top, homes, others), *walked.notes()))


def _place(file: str, homes: Sequence[Home]) -> _Place:
    for home in homes:
        prefix = f"{home.path}/" if home.path else ""
        if file.startswith(prefix):
            label, _, rest = file.removeprefix(prefix).partition("/")
            return _Place(home, label if rest else "")
    raise AssertionError(f"{file} was found outside the folders that were walked")


def _check_repeat(root: Path, repeat: Repeat, homes: Sequence[Home]) -> None:
    """Raise DataError where a second path to a folder or an image says another class or split than the first one."""
    if repeat.folder:
        mine, other = (_place(f"{path}/its files", homes) for path in (repeat.path, repeat.first))
        if mine.label and (mine == other or _leads_back(repeat, mine)):
            return
    else:
        mine, other = (_place(path, homes) for path in (repeat.path, repeat.first))
        if mine == other or not is_image(repeat.path) or not (mine.label and other.label):
            return
    raise DataError(
        f"{root / repeat.path}: leads to the same files as {root / repeat.first}, which would give them a second class "
        "or put them into a second split. Remove one of the two; where it is a link, this does not touch the files."
    )


def _leads_back(repeat: Repeat, place: _Place) -> bool:
    """Tell whether a folder inside a class folder is one of those around it."""
    above = not repeat.first or repeat.path.startswith(f"{repeat.first}/")
    return above and repeat.path != "/".join(part for part in (place.home.path, place.label) if part)


def _check_filled(root: Path, homes: Sequence[Home], walked: Walk, places: Mapping[str, _Place]) -> None:
    """Raise DataError where a class folder holds no image that can be read."""
    filled = {(places[file].home.path, places[file].label) for file in walked.files if is_image(file)}
    for home in homes:
        for name in subfolders(root / home.path):
            if (home.path, name) in filled:
                continue
            seen = Counter(_kind(file) for file in walked.files if places[file] == _Place(home, name))
            folder = root / home.path / name
            what = ", ".join(f"{count:,} {kind}" for kind, count in sorted(seen.items())) or _unseen(folder)
            raise DataError(
                f"{folder}: no image in this class folder can be read; it holds {what}. Save its images as .jpg or "
                f".png, or move the folder out of {folder.parent} if it is no class."
            )


def _unseen(folder: Path) -> str:
    """Say what a folder holds in which no file is seen."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    hidden = [name for name in names if is_leftover(name)]
    return f"only what is hidden, such as {hidden[0]}" if hidden else "folders without files" if names else "nothing"


def _kind(file: str) -> str:
    """Return what a file that is not read is called in a message."""
    if is_image(file):
        return "in no class folder"
    return os.path.splitext(file)[1].lower() or "without ending"


def _classes(root: Path, labels: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the classes, spelled as most computers do: macOS stores letters and accents apart."""
    folders = sorted(set(labels))
    alike = _alike(folders)
    if alike:
        raise DataError(
            f"{root}: the class folders {' and '.join(alike)} only differ by case or by how accents are stored, and "
            "may be one folder on another computer. Rename one, or put their images together."
        )
    names = sorted(unicodedata.normalize("NFC", name) for name in folders)
    if len(names) == 1:
        raise DataError(f"{root}: one class only, {names[0]}; at least two folders with images are needed.")
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{root}: {len(names):,} class folders, such as {names[0]} and {names[1]}; at most {MOST_CLASSES} can be "
            "scored. Is this the folder around the classes?"
        )
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else names)


def _alike(names: Sequence[str]) -> list[str]:
    """Return the first names that are one but for case and spelling of accents, if any are."""
    folded: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folded[unicodedata.normalize("NFC", name).casefold()].append(name)
    return next((found for found in folded.values() if len(found) > 1), [])


def _check_classes(
    folders: Mapping[str, str], splits: dict[str, np.ndarray], targets: np.ndarray, classes: Sequence[str]
) -> None:
    """Raise DataError where a split that has a folder lacks a class that another has."""
    for split, rows in splits.items():
        absent = [name for place, name in enumerate(classes) if not (targets[rows] == place).any()]
        if absent:
            raise DataError(
                f"{folders[split]}: no images of {', '.join(absent)}, which other splits have. Every class must be in "
                "every split: add images, or leave the class out of all."
            )


def _notes(folder: Path, homes: Sequence[Home], others: Counter[str]) -> list[str]:
    notes = []
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items()))
        notes.append(f"Files that are no images in a class folder were left out: {kinds}.")
    if unread := sum(others[ending] for ending in UNREAD):
        notes.append(f"{unread:,} of these are images of kinds that are not read: save them as .jpg or .png.")
    used = {home.path.rpartition("/")[2] for home in homes if home.split}
    beside = [name for name in subfolders(folder) if used and name not in used]
    if beside:
        notes.append(f"Folders beside those of the splits were left out: {', '.join(beside)}.")
    return notes

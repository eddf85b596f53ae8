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
from benchmarks.data.expressions import EXPRESSIONS, expression
from benchmarks.data.leftovers import is_leftover
from benchmarks.data.walk import ENDINGS, Repeat, Walk, is_image, subfolders, walk

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
MOST_WRAPPERS = 3  # folders around all others
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
class _Home:
    """A folder around class folders: its path below the root, and the split that it stands for, if any."""

    path: str
    split: str


@dataclass(frozen=True)
class _Place:
    """A file's home, and the name of its class folder; "" where it lies in none."""

    home: _Home
    label: str


def scan(root: Path) -> Layout:
    """The layout of a folder that exists; images in folders below a class folder are of that class.

    Raises DataError where it holds no images, one class, a class without images, names that only differ by case or by
    spelling, two folders for one split, a split without one of the classes, or one file in two classes or splits.
    """
    top, notes = _unwrapped(root)
    homes = _homes(root, top)
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


def _unwrapped(root: Path) -> tuple[str, list[str]]:
    """The folder below `root` that the class folders lie in, and a note where it is not `root` itself.

    An archive is often unpacked into a folder of its name. One folder that is alone is such a wrapper where there are
    several folders in it, or one of a split, and no image beside them; but not where it is called as an expression is.
    """
    top = ""
    for _ in range(MOST_WRAPPERS):
        folders = subfolders(root / top)
        if len(folders) != 1 or _is_named(folders[0]) or _has_images(root / top):
            break
        top = f"{top}/{folders[0]}" if top else folders[0]
    inside = subfolders(root / top)
    wrapped = len(inside) > 1 or any(name.lower() in SPLIT_FOLDERS for name in inside)
    if not top or not wrapped or _has_images(root / top):
        return "", []
    return top, [f"Classes and splits are those in {top}, the only folder in {root.name}."]


def _is_named(folder: str) -> bool:
    return folder.lower() in SPLIT_FOLDERS or expression(folder) in EXPRESSIONS


def _has_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_image(entry.name) and entry.is_file() for entry in entries)


def _homes(root: Path, top: str) -> list[_Home]:
    """The folders around the class folders: those of the splits, or the one given.

    A folder without folders in it is a class, whatever its name, and so is a lone one called train among others: trains
    and cars can be told apart, too. Raises DataError where folders of splits are several for one split, or without
    train, or hold no class folders.
    """
    folders = subfolders(root / top)
    named = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
    filled = {name: split for name, split in named.items() if subfolders(root / top / name)}
    if not filled and len(set(named.values())) > 1 and len(named) == len(folders):
        raise DataError(
            f"{root / top}: {' and '.join(named)} hold no class folders, so that no image has a class. Sort the images "
            f"into {next(iter(named))}/<class>/ and the like."
        )
    if not filled or (set(filled.values()) == {"train"} and len(named) == 1 and len(folders) > 1):
        return [_Home(top, "")]
    _check_splits(root / top, named, filled)
    return [_Home(f"{top}/{name}" if top else name, split) for name, split in filled.items()]


def _check_splits(folder: Path, named: Mapping[str, str], filled: Mapping[str, str]) -> None:
    of_split: dict[str, list[str]] = defaultdict(list)
    for name, split in filled.items():
        of_split[split].append(name)
    for split, names in of_split.items():
        if len(names) > 1:
            raise DataError(f"{folder}: {' and '.join(names)} are both folders of the {split} split; keep one of them.")
    if "train" not in of_split:
        alone = ", ".join(names[0] for names in of_split.values())
        raise DataError(f"{folder}: {alone} without a folder train beside it; the three are train, val and test.")
    for name in named:
        if name not in filled:
            raise DataError(
                f"{folder / name}: holds no class folders, beside {', '.join(filled)}, which do. Sort its images into "
                f"{name}/<class>/, or move the folder elsewhere: its split is then made of the others' images."
            )


def _place(file: str, homes: Sequence[_Home]) -> _Place:
    for home in homes:
        prefix = f"{home.path}/" if home.path else ""
        if file.startswith(prefix):
            label, _, rest = file.removeprefix(prefix).partition("/")
            return _Place(home, label if rest else "")
    raise AssertionError(f"{file} was found outside the folders that were walked")


def _check_repeat(root: Path, repeat: Repeat, homes: Sequence[_Home]) -> None:
    """Raises DataError where a second path to a folder or an image says another class or split than the first one."""
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
    """Whether a folder inside a class folder is one of those around it."""
    above = not repeat.first or repeat.path.startswith(f"{repeat.first}/")
    return above and repeat.path != "/".join(part for part in (place.home.path, place.label) if part)


def _check_filled(root: Path, homes: Sequence[_Home], walked: Walk, places: Mapping[str, _Place]) -> None:
    """Raises DataError where a class folder holds no image that can be read."""
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
    """What a folder without any file to see holds."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    hidden = [name for name in names if is_leftover(name)]
    return f"only what is hidden, such as {hidden[0]}" if hidden else "folders without files" if names else "nothing"


def _kind(file: str) -> str:
    """What a file that is not read is called in a message."""
    if is_image(file):
        return "in no class folder"
    return os.path.splitext(file)[1].lower() or "without ending"


def _classes(root: Path, labels: Iterable[str]) -> tuple[str, ...]:
    """The names of the classes, as they are composed on most computers: macOS takes letters and accents apart."""
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
    """The first names that are one but for case and composition, if any are."""
    folded: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folded[unicodedata.normalize("NFC", name).casefold()].append(name)
    return next((found for found in folded.values() if len(found) > 1), [])


def _check_classes(
    folders: Mapping[str, str], splits: dict[str, np.ndarray], targets: np.ndarray, classes: Sequence[str]
) -> None:
    """Raises DataError where a split that has a folder lacks a class that another has."""
    for split, rows in splits.items():
        absent = [name for place, name in enumerate(classes) if not (targets[rows] == place).any()]
        if absent:
            raise DataError(
                f"{folders[split]}: no images of {', '.join(absent)}, which other splits have. Every class must be in "
                "every split: add images, or leave the class out of all."
            )


def _notes(folder: Path, homes: Sequence[_Home], others: Counter[str]) -> list[str]:
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

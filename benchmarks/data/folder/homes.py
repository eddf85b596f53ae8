"""Where in a folder the class folders lie: in itself, in a folder around all others, or in folders of the splits."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data.errors import DataError
from benchmarks.data.expressions import EXPRESSIONS, expression
from benchmarks.data.walk import is_image, subfolders

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
MOST_WRAPPERS = 3  # folders around all others


@dataclass(frozen=True)
class Home:
    """A folder around class folders: its path below the root, and the split that it stands for, if any."""

    path: str
    split: str


def unwrapped(root: Path) -> tuple[str, list[str]]:
    """Find the folder below `root` that the class folders lie in, and write a note where it is not `root` itself.

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


def split_homes(root: Path, top: str) -> list[Home]:
    """List the folders around the class folders: those of the splits, or the one given.

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
        return [Home(top, "")]
    _check_splits(root / top, named, filled)
    return [Home(f"{top}/{name}" if top else name, split) for name, split in filled.items()]


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


def _is_named(folder: str) -> bool:
    return folder.lower() in SPLIT_FOLDERS or expression(folder) in EXPRESSIONS


def _has_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_image(entry.name) and entry.is_file() for entry in entries)

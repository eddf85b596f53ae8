"""The files below a folder as every reader sees them: each real one once, without what systems leave behind.

Links are followed. A link may lead back to a folder above it, or two links to one folder; a file may have two names.
Reading such a file once a path would count it as many images, and put one image into training and into test.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data.errors import DataError
from benchmarks.text import fault, told
from zoo.use.leftovers import is_leftover

ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".pbm", ".pnm",
)  # fmt: skip
"""Of the names of images that are read, in lower case."""
HIDDEN = "hidden files"  # stands for all of them in `Walk.left_out`
NAMED = 3  # paths in a note
LONGEST_PATH = 4096  # of Linux

Identity = tuple[int, int]  # device and number of a file or folder there


@dataclass(frozen=True)
class Repeat:
    """A path that is not read, because it leads to the same real file or folder as `first`, which is."""

    path: str
    first: str
    folder: bool


@dataclass(frozen=True, eq=False)
class Walk:
    """What lies below a folder; all paths are relative to it, with forward slashes.

    files     in the order of their paths, folder by folder
    repeats   paths that links, or second names of one file, add to these
    left_out  for each folder that systems leave behind, how many images it holds; HIDDEN counts the hidden images
    """

    root: Path
    files: list[str]
    repeats: list[Repeat]
    left_out: Counter[str]

    def paths(self) -> list[Path]:
        """Return the files' whole paths."""
        return [self.root / file for file in self.files]

    def notes(self) -> list[str]:
        """Say what was left out, in a sentence each."""
        notes = []
        if self.left_out:
            found = (f"{count:,} in {place}" for place, count in sorted(self.left_out.items()))
            notes.append(f"Images that the system or an archive tool left behind were not read: {', '.join(found)}.")
        if self.repeats:
            few = "; ".join(f"{repeat.path} is {repeat.first or 'the whole folder'}" for repeat in self.repeats[:NAMED])
            more = f" and {len(self.repeats) - NAMED:,} more" if len(self.repeats) > NAMED else ""
            notes.append(f"Paths that lead to what was read already were not read again: {few}{more}.")
        return notes


def walk(root: Path, below: Sequence[str] = ("",), by_name: bool = False) -> Walk:
    """List every file in these folders of `root`; real ones come before links to them, hidden ones are not seen.

    by_name  whether each name of a file counts: where names say what an image is, tools that save space by making equal
             images one file do not take any away. Folders count once all the same.

    Raises DataError where a folder cannot be read, or a name is not UTF-8, which no report could show.
    """
    _check_name(root, "")
    walker = _Walker(root, by_name)
    walker.visit(below)
    return Walk(root, sorted(walker.files, key=_folder_first), walker.repeats, walker.left_out)


def subfolders(folder: Path) -> list[str]:
    """List the names of the folders in a folder, sorted, without those that systems leave behind."""
    return sorted(entry.name for entry in _entries(folder) if not is_leftover(entry.name) and os.path.isdir(entry.path))


def only_folder(folder: Path) -> list[Path]:
    """Return the folder in a folder that is alone there, as where an archive was unpacked into one; else none."""
    found = subfolders(folder) if folder.is_dir() else []
    return [folder / found[0]] if len(found) == 1 else []


def is_image(name: str) -> bool:
    """Tell whether the ending of a file's name is that of an image that can be read."""
    return os.path.splitext(name)[1].lower() in ENDINGS


def readable(name: str) -> str:
    """Return the name with its bytes that are not UTF-8 written as \\xfc."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class _Walker:
    """One walk: links wait until all that is real was seen, so that a link is never taken for the original."""

    def __init__(self, root: Path, by_name: bool) -> None:
        self.root, self.by_name = root, by_name
        self.files: list[str] = []
        self.repeats: list[Repeat] = []
        self.left_out: Counter[str] = Counter()
        self._linked_folders: list[str] = []
        self._linked_files: list[str] = []
        self._known_folders: dict[Identity, str] = {}
        self._known_files: dict[Identity, str] = {}

    def visit(self, folders: Iterable[str]) -> None:
        self._known_folders[_identity(os.stat(self.root))] = ""
        for folder in folders:
            if folder and os.path.islink(os.path.join(self.root, folder)):
                self._linked_folders.append(folder)
            else:
                self._folder(folder, linked=False)
        while self._linked_folders:
            self._folder(self._linked_folders.pop(0), linked=True)
        for file in self._linked_files:
            self._file(file, linked=True)

    def _folder(self, folder: str, linked: bool) -> None:
        """Visit the folder and what is below it; links are put off."""
        waiting = [folder]
        while waiting:
            path = waiting.pop(0)
            if path and not self._is_new_folder(path):
                continue
            for entry in _entries(os.path.join(self.root, path)):
                name = f"{path}/{entry.name}" if path else entry.name
                if is_leftover(entry.name):
                    self._count_left_out(entry)
                elif os.path.isdir(entry.path):  # False of a link to itself, for which an entry raises OSError
                    _check_name(self.root, name)
                    (self._linked_folders if entry.is_symlink() else waiting).append(name)
                elif entry.is_symlink():
                    self._linked_files.append(name)
                elif entry.is_file():  # nothing else: opening a pipe would wait for ever
                    self._file(name, linked)

    def _is_new_folder(self, path: str) -> bool:
        first = self._known_folders.setdefault(_identity(os.stat(os.path.join(self.root, path))), path)
        if first != path:
            self.repeats.append(Repeat(path, first, folder=True))
        return first == path

    def _file(self, path: str, linked: bool) -> None:
        if is_image(path):
            _check_name(self.root, path)
        try:
            status = os.stat(os.path.join(self.root, path))
        except OSError:  # a link to nothing: whoever reads it says so
            self.files.append(path)
            return
        if not stat.S_ISREG(status.st_mode):  # a link to a pipe or a device
            return
        first = self._known_files.setdefault(_identity(status), path)
        # Some servers number files as they like: without a link or a second name, two files are two.
        if first != path and not self.by_name and (linked or status.st_nlink > 1):
            self.repeats.append(Repeat(path, first, folder=False))
        else:
            self.files.append(path)

    def _count_left_out(self, entry: os.DirEntry[str]) -> None:
        place = HIDDEN if entry.name.startswith(".") else entry.name
        if not os.path.isdir(entry.path):
            count = int(is_image(entry.name))
        else:
            count = sum(is_image(name) for _, _, names in os.walk(entry.path) for name in names)
        if count:
            self.left_out[place] += count


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:  # a folder that cannot be read is not left out in silence
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from error


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _folder_first(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def _check_name(root: Path, path: str) -> None:
    whole = str(root / path)
    reason = fault(whole, LONGEST_PATH)
    if reason is not None and readable(whole) == whole:
        raise DataError(f"{told(whole)}: its name {reason}, and no report could show it. Rename it.")
    if readable(whole) != whole:
        raise DataError(
            f"{readable(whole)}: its name is not UTF-8, as names from old archives of Windows are not, and no report "
            "could show it. Rename it, and others like it, for example by: convmv -f cp1252 -t utf-8 -r --notest "
            f"{readable(str(root))}"
        )

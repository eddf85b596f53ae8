"""The files in a folder, and those that a pattern means: regular ones alone, whatever else a tree holds.

Links to folders are followed, and no folder is entered twice, so that a link to a folder above ends nothing. Pipes,
sockets and devices are passed over: opening one may wait for ever. What systems leave behind counts for nothing.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from zoo.use.errors import NoSource
from zoo.use.leftovers import is_leftover

ANY_DEPTH = "**"


def files_in(folder: Path, recursive: bool) -> list[Path]:
    """List the files in a folder, with `recursive` also in those below, sorted; raise NoSource where it is unreadable.

    A folder below that cannot be read is passed over.
    """
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise NoSource(f"{folder}: cannot be read ({error.strerror})") from error
    return sorted(_files(folder, recursive))


def matching(pattern: str) -> list[Path]:
    """List the files that a pattern with `*`, `?`, `[...]` and `**` (folders of any depth) means, sorted."""
    parts = Path(pattern).parts
    if ANY_DEPTH not in parts:
        return sorted(path for name in glob.glob(pattern) if (path := Path(name)).is_file())
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    start, rest = Path(*parts[:fixed]), _without_repeats(parts[fixed:])
    return sorted(path for path in _files(start, recursive=True) if _fits(path.relative_to(start).parts, rest))


def _files(folder: Path, recursive: bool) -> Iterator[Path]:
    waiting, entered = [folder], set[tuple[int, int]]()
    while waiting:
        here = waiting.pop()
        try:
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                found = [entry for entry in entries if not is_leftover(entry.name)]
        except OSError:
            continue
        for path in (here / entry.name for entry in found):
            if path.is_file():  # False of a link that leads to itself, for which an entry raises OSError
                yield path
            elif recursive and path.is_dir():
                waiting.append(path)


def _without_repeats(parts: Sequence[str]) -> tuple[str, ...]:
    """Make one of several `**` in a row, which mean the same and take ever longer to try."""
    return tuple(part for place, part in enumerate(parts) if part != ANY_DEPTH or parts[place - 1 : place] != (part,))


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == ANY_DEPTH:
        return any(_fits(names[skipped:], pattern[1:]) for skipped in range(len(names) + 1)) or len(pattern) == 1
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _fits(names[1:], pattern[1:])

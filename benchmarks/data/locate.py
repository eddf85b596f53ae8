"""Where a data set of image files lies: the place given, or else the usual ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data.errors import DataError


def folder_of(name: str, data_dir: Path | None, advice: str) -> Path:
    """`data_dir` or its folder `name`; without it $BENCHMARK_DATA/name, else data/name: the first that is there.

    Raises DataError, with the places looked in and the advice, where none is a folder.
    """
    places = _places(name, data_dir)
    for place in places:
        if place.is_dir():
            return place
    looked = "\n".join(f"  {place}" for place in places)
    raise DataError(f"The images of {name} were not found. Looked in:\n{looked}\n{advice}")


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below the folder, links followed, in the order of their paths; hidden files and folders are not seen.

    Raises DataError where a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from error

    for parent, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent, name)


def _places(name: str, data_dir: Path | None) -> list[Path]:
    if data_dir is not None:
        given = Path(data_dir).expanduser()
        return [given / name, given]
    return [root / name for root in usual_roots()]


def usual_roots() -> list[Path]:
    """Folders that hold a folder a data set: $BENCHMARK_DATA where it is set, and data."""
    shared = os.environ.get("BENCHMARK_DATA")
    return [*([Path(shared).expanduser()] if shared else []), Path("data")]

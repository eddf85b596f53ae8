"""Where a data set of image files lies: the place given, or else the usual ones."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.data.errors import DataError


def folder_of(name: str, data_dir: Path | None, advice: str) -> Path:
    """Return `data_dir` or its folder `name`; without it $BENCHMARK_DATA/name, else data/name: the first that is there.

    Raises DataError, with the places looked in and the advice, where none is a folder.
    """
    places = _places(name, data_dir)
    for place in places:
        if place.is_dir():
            return place
    looked = "\n".join(f"  {place}" for place in places)
    raise DataError(f"The images of {name} were not found. Looked in:\n{looked}\n{advice}")


def _places(name: str, data_dir: Path | None) -> list[Path]:
    if data_dir is not None:
        given = Path(os.path.expanduser(data_dir))
        return [given / name, given]
    return [root / name for root in usual_roots()]


def usual_roots() -> list[Path]:
    """List the folders that hold data sets, each in a folder of its name: $BENCHMARK_DATA where it is set, and data."""
    shared = os.environ.get("BENCHMARK_DATA")
    return [*([Path(os.path.expanduser(shared))] if shared else []), Path("data")]

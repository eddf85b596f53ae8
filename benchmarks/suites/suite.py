"""What a suite is: data, protocol, members and published results under one name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import Dataset


@dataclass(frozen=True)
class Suite:
    """A benchmark: where its data comes from, what its splits are called, who takes part.

    `load(data_dir)` reads the data and raises DataError where it cannot; `download(folder)` fetches it, None where
    there is nothing to fetch.
    """

    name: str
    title: str
    summary: str
    split_names: tuple[str, str, str]  # train, val and test, as the data set's own papers call them
    members: tuple[str, ...]
    load: Callable[[Path | None], Dataset]
    download: Callable[[Path], Path] | None = None
    published: bool = False  # whether there is a published/<name>.csv
    rehearsal: bool = False  # made anew by whoever runs it: nothing of it is committed, so no page lists it

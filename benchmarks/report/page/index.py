"""The page for all suites: what each one's headline is, and the way to its own page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.files import write_atomic
from benchmarks.report.page.plots import Axis
from benchmarks.report.page.render import render
from benchmarks.results import Standing, best_single, by_accuracy, headline_row, published_rows, standings


@dataclass(frozen=True)
class Card:
    """A suite as the page for all shows it; `error` says why its results cannot be read."""

    suite: str
    results: Mapping[str, Any]
    error: str | None = None

    @property
    def rows(self) -> list[Standing]:
        """Comparable rows with an accuracy: the dots of its small chart."""
        return [row for row in standings(self.results) if row.comparable and row.accuracy is not None]

    @property
    def axis(self) -> Axis:
        return Axis.of(self.rows)

    @property
    def chosen(self) -> Standing | None:
        return headline_row(self.results)

    @property
    def single(self) -> Standing | None:
        return best_single(self.results)

    @property
    def published(self) -> Standing | None:
        """The best comparable published result."""
        rows = [row for row in by_accuracy(published_rows(self.results)) if row.comparable and row.accuracy is not None]
        return rows[0] if rows else None


def write_index(folder: Path) -> Path:
    """Writes index.html into the folder of all results, from every suite's results.json but rehearsals'; its path."""
    path = folder / "index.html"
    write_atomic(path, render("index.html", title="Results", cards=list(_cards(folder))))
    return path


def _cards(folder: Path) -> Iterator[Card]:
    for path in sorted(folder.glob("*/results.json")):
        suite = path.parent.name
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            if results["rehearsal"]:
                continue
            card = Card(suite, results)
            standings(results), results["title"], results["splits"]["test"]["size"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # One damaged file of another suite must not cost this run its report.
            card = Card(suite, {}, f"results.json cannot be read: {type(error).__name__}: {error}")
        yield card

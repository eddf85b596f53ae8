"""The page for all suites: what each one's headline is, and the way to its own page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.report.page.plots import Axis
from benchmarks.report.page.render import render
from benchmarks.report.sections.headline import seen_warning
from benchmarks.results import (
    LeaderboardRow,
    Results,
    UnreadableResults,
    best_single,
    by_accuracy,
    headline_row,
    leaderboard_rows,
    published_rows,
    read_results,
)


@dataclass(frozen=True)
class Card:
    """A suite as the page for all shows it."""

    suite: str
    results: Results

    @property
    def rows(self) -> list[LeaderboardRow]:
        """Return comparable rows with an accuracy: the dots of its small chart."""
        return [row for row in leaderboard_rows(self.results) if row.comparable and row.accuracy is not None]

    @property
    def axis(self) -> Axis:
        return Axis.of(self.rows)

    @property
    def headline(self) -> LeaderboardRow | None:
        return headline_row(self.results)

    @property
    def single(self) -> LeaderboardRow | None:
        return best_single(self.results)

    @property
    def seen(self) -> str:
        """Say that most test images stand in another split; empty where they do not."""
        return seen_warning(self.results)

    @property
    def published(self) -> LeaderboardRow | None:
        """Return the best comparable published result."""
        rows = [row for row in by_accuracy(published_rows(self.results)) if row.comparable and row.accuracy is not None]
        return rows[0] if rows else None


@dataclass(frozen=True)
class Unreadable:
    """A suite whose results cannot be read, and why."""

    suite: str
    error: str


def write_index(folder: Path) -> Path:
    """Write index.html into the folder of all results and return its path; rehearsals are left out."""
    path = folder / "index.html"
    write_atomic(path, index(folder))
    return path


def index(folder: Path, links: Mapping[str, str] | None = None) -> str:
    """Return the page for all suites of a folder; `links` are ways to more pages, by their names."""
    return render("index.html", title="Results", cards=list(_cards(folder)), links=links or {})


def _cards(folder: Path) -> Iterator[Card | Unreadable]:
    for path in sorted(folder.glob("*/results.json")):
        suite = path.parent.name
        try:
            results = read_results(path)
        except UnreadableResults as error:
            # One damaged file of another suite must not cost this run its report.
            yield Unreadable(suite, f"{suite}/results.json {error.reason}")
        else:
            if not results["rehearsal"]:
                yield Card(suite, results)

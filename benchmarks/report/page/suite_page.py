"""A suite's page: headline, ranking, figures, audit and protocol, from its results and the files beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from benchmarks.files import write_atomic
from benchmarks.report.page.columns import ACCURACY, NAME, page_columns
from benchmarks.report.page.details import Detail, ensemble_detail, failed_detail, member_detail
from benchmarks.report.page.embed import embed
from benchmarks.report.page.plots import HEIGHT, WIDTH, Axis
from benchmarks.report.page.render import fill, render
from benchmarks.report.sections.affect import affect_rows
from benchmarks.report.sections.headline import cheaper, cross_fitted, gap_warning, seen_warning
from benchmarks.report.sections.probabilities import separation
from benchmarks.report.sections.ranking import row_class_notes
from benchmarks.results import (
    EXTERNAL,
    ROW_CLASSES,
    UNIFORM,
    LeaderboardRow,
    Results,
    below_uniform,
    best_single,
    by_accuracy,
    by_log_loss,
    ensemble_rows,
    headline_row,
    is_headline,
    leaderboard_rows,
    looks_leaked,
    member_rows,
    no_gain,
    odd_gap,
    published_rows,
)

LIMIT = 2_950_000  # bytes of a page; figures get what the rest leaves of it
LINK_TO_FIGURES, FIGURES = Markup("<!-- link to figures -->"), Markup("<!-- figures -->")
"""Where they go: what comes from data is escaped and cannot hold it."""
GROUPS = {  # heading of the chip, that of one row, and whether its rows are there at first
    "ensemble": ("Ensembles", "Ensemble", True),
    "member": ("Members", "Member", True),
    **{known.slug: (known.heading, known.alone, True) for known in ROW_CLASSES.values() if known.like_members},
    "external": ("External models", "External model", True),
    **{known.slug: (known.heading, known.alone, True) for known in ROW_CLASSES.values() if not known.like_members},
    "published": ("Published, comparable", "Published, comparable", True),
    "doubtful": ("Published, not comparable", "Published, not comparable", False),
}
RANGES = (("accuracy", "Test accuracy, %", 100.0), ("params", "Parameters, millions", 1e-6), ("year", "Year", 1.0))


@dataclass(frozen=True)
class PageRow:
    """A line of the ranking and what it opens to."""

    id: str
    group: str
    entry: LeaderboardRow
    leak: bool  # above what anyone reached without one
    remarks: list[str]  # what stands beside the name as a badge
    under: str  # what stands below it
    detail: Detail

    @property
    def kind(self) -> str:
        """Say what the row is, in words."""
        return GROUPS[self.group][1]


def begin(results: Results, folder: Path) -> Callable[[], Path]:
    """Make a suite's page of its results and histories, and return what adds the figures, which may still be drawn,
    writes index.html into the suite's folder, and returns its path."""
    text, path = _without_figures(results, folder), folder / "index.html"

    def written() -> Path:
        write_atomic(path, _with_figures(text, folder))
        return path

    return written


def page(results: Results, folder: Path) -> str:
    """Return the page as text: the same results and files always give the same."""
    return _with_figures(_without_figures(results, folder), folder)


def _without_figures(results: Results, folder: Path) -> str:
    ordered, headline = leaderboard_rows(results), headline_row(results)
    return render(
        "suite.html",
        "page.js",
        title=results["title"],
        row_classes=[note.replace("*", "") for note in row_class_notes(results).strip().split("\n\n") if note],
        results=results,
        rows=list(_rows(results, folder)),
        columns=page_columns(results),
        name_column=NAME,
        accuracy_column=ACCURACY,
        groups=_groups(ordered),
        ranges=RANGES,
        axis=Axis.of(ordered),
        chosen=headline,
        cross_fitted=cross_fitted(headline) if headline else "",
        single=best_single(results),
        landmarks=_landmarks(results),
        seen=seen_warning(results),
        separation=separation(results),
        probabilities=by_log_loss(results),
        cheaper=cheaper(results).replace("\\", ""),
        gaps=gap_warning(results, ordered).removeprefix("> **Warning.** ").replace("\\", ""),
        leaks=[row for row in ordered if row.kind != "published" and looks_leaked(row, results)],
        limit=results["leak_above"],
        link_to_figures=LINK_TO_FIGURES,
        figures=FIGURES,
        audited=sorted(results["audit"]["rows"], key=lambda row: -row["accuracy"]),
        affect_rows=affect_rows(results),
        panel=(WIDTH, HEIGHT),
    )


def _with_figures(text: str, folder: Path) -> str:
    figures = embed(folder / "figures", LIMIT - len(text.encode()))
    text = text.replace(LINK_TO_FIGURES, '<a href="#figures">Figures</a>' if figures else "")
    return text.replace(FIGURES, fill("figures.html", figures=figures))


def _rows(results: Results, folder: Path) -> Iterator[PageRow]:
    details = [
        *(ensemble_detail(ensemble, results) for ensemble in results["ensembles"]),
        *(failed_detail(failed) for failed in results["failed"]),
        *(member_detail(member, results, folder / "predictions") for member in results["members"]),
        *(Detail(facts={"Kind": paper["kind"]}, reference=paper["source"]) for paper in results["published"]),
    ]
    rows = [*ensemble_rows(results), *member_rows(results), *published_rows(results)]
    detail_of = {id(row): detail for row, detail in zip(rows, details, strict=True)}
    seen: Counter[str] = Counter()
    for row in by_accuracy(rows):
        detail = detail_of[id(row)]
        slug = re.sub(r"[^a-z0-9]+", "-", f"{row.kind} {row.title}".lower()).strip("-")
        seen[slug] += 1
        name = slug if seen[slug] == 1 else f"{slug}--{seen[slug]}"  # no slug has two dashes in a row
        yield PageRow(name, _group(row), row, looks_leaked(row, results), _remarks(row, results), _under(row), detail)


def _group(row: LeaderboardRow) -> str:
    if row.row_classes and row.kind != "ensemble":
        return row.row_classes[0].slug
    return row.kind if row.comparable else "doubtful"


def _groups(rows: list[LeaderboardRow]) -> list[tuple[str, str, bool, int]]:
    """Return key, heading, shown at first, and number of rows of each group that has any."""
    counts = {key: sum(_group(row) == key for row in rows) for key in GROUPS}
    return [(key, GROUPS[key][0], GROUPS[key][2], number) for key, number in counts.items() if number]


def _remarks(row: LeaderboardRow, results: Results) -> list[str]:
    remarks = {
        "headline": is_headline(row, results) and row.accuracy is not None,
        "failed": bool(row.error),
        "leak?": row.comparable and looks_leaked(row, results),
        "odd gap": odd_gap(row, results),
        "below uniform": below_uniform(row, results),
        "no gain on val": no_gain(row, results),
        "external": row.kind == EXTERNAL,
        **{row_class.name: row_class in row.row_classes for row_class in ROW_CLASSES.values()},
        "not comparable": not row.comparable,
    }
    return [remark for remark, holds in remarks.items() if holds]


def _under(row: LeaderboardRow) -> str:
    if row.error:
        return row.error
    if row.kind == "published":
        return row.why_not or ", ".join(part for part in (row.init, row.tta and f"TTA {row.tta}") if part)
    if row.kind == "ensemble":
        return row.name
    return ", ".join(str(part) for part in (row.init, row.epochs and f"{row.epochs} epochs") if part)


def _landmarks(results: Results) -> list[tuple[str, LeaderboardRow]]:
    """Return the rows that say what the headline is worth, each with its role."""
    published = [row for row in by_accuracy(published_rows(results)) if row.comparable and row.accuracy is not None]
    uniform = next((row for row in ensemble_rows(results) if row.name == UNIFORM and row.accuracy is not None), None)
    roles = {
        "Chosen ensemble": headline_row(results),
        "Best single member": best_single(results),
        "Uniform average": uniform,
        "Best published, comparable": published[0] if published else None,
    }
    return [(role, row) for role, row in roles.items() if row is not None]

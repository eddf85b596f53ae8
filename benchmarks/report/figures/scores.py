"""A forest plot by score: what ensembles gain on the best single member in accuracy and in three proper scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    SMALL,
    WIDTH,
    Chart,
    Marks,
    bare,
    beside,
    fitted,
    panel,
    plural,
    sheet,
)
from benchmarks.results import BEST_SINGLE, Results, by_log_loss, split_names
from benchmarks.results.probabilities import ProbabilityRow
from benchmarks.results.separation import clear, counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 25
INCHES_A_ROW, LEFT, BELOW, GAP, HEAD = 0.185, 2.3, 0.3, 0.14, 0.34  # inches
REACH = 1.6  # an axis goes as far below zero as so many times the widest reach above it; beyond are arrows


class Panel(NamedTuple):
    """A score in a column of its own; times `scale`, to the right is better."""

    score: str
    title: str
    unit: str
    scale: float


PANELS = (
    Panel("accuracy", "Accuracy", "points", 100.0),
    Panel("log_loss", "Log-loss", "lower by, thousandths", -1000.0),
    Panel("brier", "Brier score", "lower by, thousandths", -1000.0),
    Panel("aurc", "AURC", "lower by, thousandths", -1000.0),
)


def scores(results: Results) -> Chart | None:
    """Chart ensembles against the best single member, a column a score; None where no ensemble was fitted."""
    rows = [row for row in by_log_loss(results) if row["kind"] == "ensemble" and row["name"] != BEST_SINGLE][:MOST]
    if not rows:
        return None
    by_accuracy, by_loss = (counted(rows, score)[0] for score in ("accuracy", "log_loss"))
    of = plural(len(rows), "ensemble")
    beat = f"beat{'s' if by_accuracy == 1 else ''} the best single member beyond chance"
    title = f"By accuracy {by_accuracy} of {of} {beat}, by log-loss {by_loss}"
    _, val, test = split_names(results)
    note = (
        f"Gain over {results['probabilities']['single']}, the best member on {val}; right of the line is better. "
        f"Lines: paired 95 % bootstrap intervals over the same draws of {test}, not adjusted for their number. Filled: "
        "zero lies outside. Arrows: further out than the axis. AURC: area under the risk-coverage curve."
    )
    alt = f"Forest plots of {of}: differences to the best single member in accuracy and three proper scores."
    return Chart(title, alt, partial(_draw, title, note, rows, results["headline"]))


def _draw(title: str, note: str, rows: Sequence[ProbabilityRow], headline: str | None) -> Figure:
    depth = INCHES_A_ROW * len(rows)
    figure = sheet(title, note, BELOW + depth + HEAD)
    width = (WIDTH - LEFT - MARGIN - (len(PANELS) - 1) * GAP) / len(PANELS)
    for place, column in enumerate(PANELS):
        axes = panel(figure, LEFT + place * (width + GAP), BELOW, width, depth)
        low, high = _limits(rows, column)
        axes.set(xlim=(low, high), ylim=(len(rows) - 0.4, -0.6), yticks=[])
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x")
        bare(axes, "left")
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.text(0, 1, column.title, transform=axes.transAxes, weight="bold", fontsize=SMALL, va="bottom")
        axes.set_title(column.unit, fontsize=SMALL - 0.6, color=GREY, loc="left", pad=12)
        marks = Marks(axes)
        titles = [row["title"] for row in rows]
        for line, row in enumerate(rows):
            _mark(marks, line, row, column, (low, high))
            if place == 0:
                weight = "bold" if row["name"] == headline else "normal"
                text, points = fitted(row["title"], 72 * (LEFT - 2 * MARGIN), SMALL + 0.4, weight, titles)
                beside(axes, MARGIN, line, text, fontsize=points, weight=weight)
        marks.draw()
    return figure


def _gain(row: ProbabilityRow, column: Panel) -> tuple[float, float, float]:
    """Return the gain and its bounds, low first."""
    score = row["scores"][column.score]
    bounds = sorted(column.scale * bound for bound in score["single_interval"])
    return column.scale * score["single"], bounds[0], bounds[1]


def _limits(rows: Sequence[ProbabilityRow], column: Panel) -> tuple[float, float]:
    gains = [_gain(row, column) for row in rows]
    high = max(1e-3, *(bounds[2] for bounds in gains))
    low = -min(REACH * high, max(1e-3, *(-bounds[1] for bounds in gains)))
    return low - 0.08 * (high - low), high + 0.06 * (high - low)


def _mark(marks: Marks, line: int, row: ProbabilityRow, column: Panel, limits: tuple[float, float]) -> None:
    value, low, high = _gain(row, column)
    edge = limits[0] + 0.04 * (limits[1] - limits[0])
    marks.line([max(low, edge), max(high, edge)], [line, line], color=BLUE, linewidth=1.5, alpha=0.55)
    filled = BLUE if clear(row["scores"][column.score]["single_interval"]) else "white"
    marker = "<" if value < edge else "D"
    marks.dot(max(value, edge), line, marker, color=BLUE, markersize=4.4, markerfacecolor=filled)

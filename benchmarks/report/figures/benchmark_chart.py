"""The benchmark chart: our ensembles and members beside published results, one dot and interval a row.

Rows are dots, not bars: accuracies live between 60 and 80 %, and a bar that does not start at zero misleads. Every
group has its own marker, for print in grey.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    PINK,
    SMALL,
    TEXT,
    YELLOW,
    Chart,
    Marks,
    bare,
    beside,
    fitted,
    panel,
    sheet,
)
from benchmarks.results import (
    BEST_SINGLE,
    CHECKPOINT,
    COSTLY,
    EXTERNAL,
    EXTRA_LABELS,
    SHORT_BUDGET,
    TOOLS,
    LeaderboardRow,
    Results,
    best_single,
    by_accuracy,
    extra_labels,
    headline_row,
    leading_ensembles,
    member_rows,
    mostly_seen,
    published_rows,
)
from benchmarks.results.schema import Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ENSEMBLES, MAX_MEMBERS, MAX_SHORT = 8, 14, 3
ROOM = 3.0  # points of axis right of the best comparable row; what lies beyond is drawn at the edge with its number
WIDTH = 18.0  # points of axis at least: the reasons stand left of the dots
INCHES_A_ROW, INCHES_ABOVE, INCHES_BELOW = 0.19, 0.3, 0.5
LEFT, RIGHT, NUMBERS_AT, INTERVALS_AT = 2.34, 5.52, 5.62, 6.14  # inches
NOTE = "Lines are 95 % intervals. Hollow: published, but not comparable."


@dataclass(frozen=True)
class Group:
    """Rows drawn under one heading in one colour and marker."""

    heading: str
    rows: list[LeaderboardRow]
    colour: str
    marker: str
    comparable: bool = True
    aside: str = ""


def benchmark(results: Results) -> Chart | None:
    """Chart the test accuracy of everything that has one; None where nothing has."""
    shown = groups(results)
    if not shown:
        return None
    count = sum(len(group.rows) for group in shown)
    alt = f"Dots with 95 % intervals: test accuracy of {count} ensembles, members and published results."
    title = _title(results)
    note = " ".join([_seen(results), NOTE]).strip()
    headline, humans = headline_row(results), results["human_accuracy"]
    return Chart(title, alt, partial(_draw, title, note, shown, headline, humans, results["splits"]["test"]))


def _title(results: Results) -> str:
    """Compare the headline with the best single member, both with their numbers."""
    headline, single = headline_row(results), best_single(results)
    test = results["splits"]["test"]["name"]
    leader = headline or single
    if leader is None:
        return f"Published accuracies on {test}"
    reached = f"{100.0 * (leader.accuracy or 0.0):.1f} %"
    if headline is None or single is None or headline.name == BEST_SINGLE:
        return f"{(single or leader).title} reaches {reached} on {test}"
    lead = 100.0 * ((headline.accuracy or 0.0) - (single.accuracy or 0.0))
    side = "above" if lead >= 0 else "below"
    count = "An ensemble" if headline.models is None else f"An ensemble of {headline.models}"
    val = results["splits"]["val"]["name"]
    return f"{count} reaches {reached}, {abs(lead):.1f} points {side} the member best on {val}"


def groups(results: Results) -> list[Group]:
    """Return what the figure shows, top to bottom; groups without rows are left out."""
    models = [row for row in by_accuracy(member_rows(results)) if row.accuracy is not None]
    usual = [row for row in models if not row.row_classes]
    external, members = ([row for row in usual if (row.kind == EXTERNAL) is yes] for yes in (True, False))
    extra, tools, checkpoints, costly, short = (
        [row for row in models if row.row_classes and row.row_classes[0] is row_class]
        for row_class in (EXTRA_LABELS, TOOLS, CHECKPOINT, COSTLY, SHORT_BUDGET)
    )
    published = [row for row in by_accuracy(published_rows(results)) if row.chart]
    comparable, others = ([row for row in published if row.comparable is yes] for yes in (True, False))
    every = [
        Group("Ensembles", leading_ensembles(results, MAX_ENSEMBLES), BLUE, "D"),
        Group("Members", members[:MAX_MEMBERS], ORANGE, "o"),
        Group(EXTRA_LABELS.heading, extra[:MAX_MEMBERS], ORANGE, "p", aside=", ".join(extra_labels(extra))),
        Group(COSTLY.heading, costly[:MAX_MEMBERS], ORANGE, "P", aside="an image takes more"),
        Group(SHORT_BUDGET.heading, short[:MAX_SHORT], ORANGE, "d", aside="still rising on val at the end"),
        Group("External models", external[:MAX_MEMBERS], PINK, "^"),
        Group(CHECKPOINT.heading, checkpoints[:MAX_MEMBERS], PINK, ">", aside="their training is not known"),
        Group(TOOLS.heading, tools[:MAX_MEMBERS], PINK, "v", aside="that ship inside packages"),
        Group("Published", comparable, GREEN, "s", aside="lines: sampling error alone"),
        Group("Published, not comparable", others, GREY, "X", False, aside="why not"),
    ]
    return [group for group in every if group.rows]


def _seen(results: Results) -> str:
    """Say in a few words that most test images stand in another split; empty where they do not."""
    seen = mostly_seen(results)
    return (
        "" if seen is None else f"{seen[1]:,} of {results['splits']['test']['size']:,} images also stand in {seen[0]}."
    )


def _draw(
    title: str,
    note: str,
    shown: list[Group],
    headline: LeaderboardRow | None,
    humans: Sequence[float] | None,
    test: Split,
) -> Figure:
    from matplotlib.ticker import MaxNLocator

    lines = list(_lines(shown))
    depth = lines[-1][0] + 1.0
    figure = sheet(title, note, INCHES_A_ROW * depth + INCHES_ABOVE + INCHES_BELOW)
    axes = panel(figure, LEFT, INCHES_BELOW, RIGHT - LEFT, INCHES_A_ROW * depth)
    axes.set(xlim=_limits(shown), ylim=(depth - 0.4, -0.6), yticks=[])
    axes.set_xlabel(f"accuracy on {test['name']}, %")
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    bare(axes, "left")
    _reference_bands(axes, headline, humans)
    beside(axes, NUMBERS_AT, -0.8, "%", color=GREY, va="bottom")
    beside(axes, INTERVALS_AT, -0.8, "95 % interval", color=GREY, va="bottom")
    marks = Marks(axes)
    names = [_name(row) for _, _, row in lines if row is not None]
    for line, group, row in lines:
        if row is None:
            _heading(axes, line, group)
        else:
            _sampling_error(marks, line, group, row, test["size"])
            _row(axes, marks, line, group, row, names, bold=row == headline)
    marks.draw()
    return figure


def _lines(shown: list[Group]) -> Iterator[tuple[float, Group, LeaderboardRow | None]]:
    """Yield every line of the figure from the top: its place, its group, and its row (None for a heading)."""
    line = 0.0
    for group in shown:
        for row in (None, *group.rows):
            yield line, group, row
            line += 1.0
        line += 0.4


def _limits(shown: list[Group]) -> tuple[float, float]:
    """Return axis limits in per cent, from the comparable rows: a leaked 96 must not squeeze the rest."""
    values = [100.0 * (row.accuracy or 0.0) for group in shown if group.comparable for row in group.rows]
    if not values:
        return 0.0, 100.0
    high = min(100.0, math.ceil(max(values)) + ROOM)
    return max(0.0, min(math.floor(min(values)) - 2.0, high - WIDTH)), high


def _reference_bands(axes: Axes, headline: LeaderboardRow | None, humans: Sequence[float] | None) -> None:
    """Draw the human band of the suite, and the headline's interval, through all groups."""
    low, high = axes.get_xlim()
    end = high  # of the human label: where the headline's begins
    if headline is not None and headline.ci_low is not None and headline.ci_high is not None:
        end = 100 * headline.ci_low
        axes.axvspan(end, 100 * headline.ci_high, color=BLUE, alpha=0.08, linewidth=0)
        end = min(end, high - 0.2 * (high - low))  # so that the label ends before the next column
        axes.text(end, -0.8, "headline", ha="left", va="bottom", color=BLUE)
    if humans is not None and 100 * humans[1] > low:
        least, most = 100 * humans[0], 100 * humans[1]
        axes.axvspan(max(least, low), most, color=YELLOW, alpha=0.16, linewidth=0)
        end = min(most, end - 0.015 * (high - low))
        text = f"human, {(least + most) / 2:.0f} ± {(most - least) / 2:.0f}"
        axes.text(end, -0.8, text, ha="right", va="bottom", color=GREY)


def _heading(axes: Axes, line: float, group: Group) -> None:
    beside(axes, MARGIN, line, group.heading, color=group.colour, weight="bold")
    _aside(axes, line, group.aside)
    if group.rows[0].kind == "published":
        beside(axes, INTERVALS_AT, line, "year", color=GREY)


def _sampling_error(marks: Marks, line: float, group: Group, row: LeaderboardRow, images: int) -> None:
    """Draw the binomial 95 % interval of a published accuracy, which comes with no interval of its own."""
    if row.kind != "published" or not group.comparable or row.accuracy is None:
        return
    half = 1.96 * math.sqrt(row.accuracy * (1.0 - row.accuracy) / images)
    ends = [100.0 * (row.accuracy - half), 100.0 * (row.accuracy + half)]
    marks.line(ends, [line, line], color=group.colour, linewidth=0.9, alpha=0.6)


def _name(row: LeaderboardRow) -> str:
    return row.name if row.kind == "published" else row.title


def _row(
    axes: Axes, marks: Marks, line: float, group: Group, row: LeaderboardRow, names: Sequence[str], bold: bool
) -> None:
    """Draw one dot with its interval, its name, one of `names`, on the left, its numbers on the right."""
    high = axes.get_xlim()[1]
    value = 100.0 * (row.accuracy or 0.0)
    style = {"color": INK if group.comparable else GREY, "weight": "bold" if bold else "normal"}
    text, size = fitted(_name(row), 72 * (LEFT - MARGIN - 0.08), TEXT, style["weight"], names)
    beside(axes, MARGIN, line, text, **style, fontsize=size)
    beside(axes, NUMBERS_AT, line, f"{value:.2f}", **style)
    if row.ci_low is not None and row.ci_high is not None:
        marks.line([100 * row.ci_low, 100 * row.ci_high], [line, line], color=group.colour, linewidth=1.8, alpha=0.5)
        beside(axes, INTERVALS_AT, line, f"{100 * row.ci_low:.1f} to {100 * row.ci_high:.1f}", **style)
    elif row.year is not None:
        beside(axes, INTERVALS_AT, line, str(row.year), **style)
    marks.dot(
        min(value, high), line, ">" if value > high else group.marker, color=group.colour, markersize=5.4,
        markerfacecolor=group.colour if group.comparable else "white", clip_on=False,
    )  # fmt: skip
    if not group.comparable:
        _aside(axes, line, _short(row))


def _aside(axes: Axes, line: float, text: str) -> None:
    """Write small text at the left edge of the axes, where rows of this group have no dots."""
    axes.text(axes.get_xlim()[0] + 0.15, line, text, va="center", color=GREY, fontsize=SMALL, style="italic")


def _short(row: LeaderboardRow) -> str:
    """Return the first words of a reason, up to its first bracket or semicolon."""
    return re.split(r"[;(]", row.why_not or "")[0].strip()

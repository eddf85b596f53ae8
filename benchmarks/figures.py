"""The benchmark figure: our ensembles and members beside published results, one dot and interval a row.

Rows are dots, not bars: accuracies live between 60 and 80 %, and a bar that does not start at zero misleads. Colours
are from the Okabe-Ito palette (safe for colour-blind readers), and every group has its own marker for print in grey.
matplotlib is imported where it draws; the same results give the same bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.atomic import write_atomic
from benchmarks.identity import EXTERNAL
from benchmarks.standings import (
    Results,
    Standing,
    by_accuracy,
    headline_row,
    leading_ensembles,
    member_rows,
    published_rows,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ENSEMBLES, MAX_MEMBERS = 8, 14
HUMANS = {"fer2013": (60.0, 70.0)}  # 65 ± 5 % (arXiv:1307.0414)
ROOM = 3.0  # points of axis right of the best comparable row; what lies beyond is drawn at the edge with its number
WIDTH = 18.0  # points of axis at least: the reasons stand left of the dots
INCHES_WIDE, INCHES_A_ROW, INCHES_ABOVE, INCHES_BELOW = 7.2, 0.19, 0.3, 0.5
NAMES_AT, LEFT, RIGHT, NUMBERS_AT, INTERVALS_AT = 0.012, 0.325, 0.785, 0.8, 0.872  # columns, in figure widths
NAME_LENGTH = 32
INK, GREY, PALE, BLUE = "#222222", "#6b6b6b", "#e9e9e9", "#0072B2"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.8,
    "svg.hashsalt": "benchmark",  # else element ids are random and no two files are the same
    "text.color": INK,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
}


@dataclass(frozen=True)
class Group:
    """Rows drawn under one heading in one colour and marker."""

    heading: str
    rows: list[Standing]
    colour: str
    marker: str
    comparable: bool = True
    aside: str = ""


def benchmark_chart(results: Results, folder: Path) -> list[Path]:
    """Draw figures/benchmark.png and .svg under `folder`, byte-identical for the same results; returns their paths."""
    import matplotlib

    paths = [folder / "figures" / f"benchmark.{suffix}" for suffix in ("png", "svg")]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a reader's own matplotlibrc must not change the figure
        matplotlib.rcParams.update(STYLE)
        figure = _draw(results)
        # Dates and library versions in the files would change their bytes from one machine to the next.
        write_atomic(paths[0], _render(figure, "png", {"Software": None}))
        write_atomic(paths[1], _render(figure, "svg", {"Date": None, "Creator": None}))
    return paths


def _render(figure: Figure, suffix: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=160, metadata=metadata)
    return buffer.getvalue()


def groups(results: Results) -> list[Group]:
    """What the figure shows, top to bottom; groups without rows are left out."""
    models = [row for row in by_accuracy(member_rows(results)) if row.accuracy is not None]
    external, members = ([row for row in models if (row.kind == EXTERNAL) is yes] for yes in (True, False))
    published = [row for row in by_accuracy(published_rows(results)) if row.chart]
    comparable, others = ([row for row in published if row.comparable is yes] for yes in (True, False))
    found = [
        Group("Ensembles", leading_ensembles(results, MAX_ENSEMBLES), BLUE, "D"),
        Group("Members", members[:MAX_MEMBERS], "#D55E00", "o"),
        Group("External models", external[:MAX_MEMBERS], "#CC79A7", "^"),
        Group("Published", comparable, "#009E73", "s", aside="lines: sampling error alone"),
        Group("Published, not comparable", others, GREY, "X", False, aside="why not"),
    ]
    return [group for group in found if group.rows]


def _draw(results: Results) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown, chosen = groups(results), headline_row(results)
    lines = list(_lines(shown))
    depth = lines[-1][0] + 1.0 if lines else 1.0
    height = INCHES_A_ROW * depth + INCHES_ABOVE + INCHES_BELOW
    figure = Figure(figsize=(INCHES_WIDE, height))
    axes = figure.add_axes((LEFT, INCHES_BELOW / height, RIGHT - LEFT, INCHES_A_ROW * depth / height))
    axes.set(xlim=_limits(shown), ylim=(depth - 0.4, -0.6), yticks=[])
    axes.set_xlabel(f"accuracy on {results['splits']['test']['name']}, %", color=INK)
    axes.grid(axis="x", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.tick_params(length=0)
    _reference_bands(axes, results)
    _text(axes, NUMBERS_AT, -0.8, "%", color=GREY, va="bottom")
    _text(axes, INTERVALS_AT, -0.8, "95 % interval", color=GREY, va="bottom")
    for line, group, row in lines:
        if row is None:
            _heading(axes, line, group)
        else:
            _sampling_error(axes, line, group, row, results["splits"]["test"]["size"])
            _row(axes, line, group, row, bold=row == chosen)
    return figure


def _lines(shown: list[Group]) -> Iterator[tuple[float, Group, Standing | None]]:
    """Every line of the figure from the top: its place, its group, and its row (None for the group's heading)."""
    line = 0.0
    for group in shown:
        for row in (None, *group.rows):
            yield line, group, row
            line += 1.0
        line += 0.4


def _limits(shown: list[Group]) -> tuple[float, float]:
    """Axis limits in per cent, from the rows that can be compared: a leaked 96 must not squeeze the rest."""
    values = [100.0 * (row.accuracy or 0.0) for group in shown if group.comparable for row in group.rows]
    if not values:
        return 0.0, 100.0
    high = min(100.0, math.ceil(max(values)) + ROOM)
    return max(0.0, min(math.floor(min(values)) - 2.0, high - WIDTH)), high


def _reference_bands(axes: Axes, results: Results) -> None:
    """The human band of the suite, and the headline's interval, through all groups."""
    (low, high), humans, chosen = axes.get_xlim(), HUMANS.get(results["suite"]), headline_row(results)
    end = high  # of the human label: where the headline's begins
    if chosen is not None and chosen.ci_low is not None and chosen.ci_high is not None:
        end = 100 * chosen.ci_low
        axes.axvspan(end, 100 * chosen.ci_high, color=BLUE, alpha=0.08, linewidth=0)
        axes.text(end, -0.8, "headline", ha="left", va="bottom", color=BLUE)
    if humans is not None and humans[1] > low:
        axes.axvspan(max(humans[0], low), humans[1], color="#F0E442", alpha=0.16, linewidth=0)
        end = min(humans[1], end - 0.015 * (high - low))
        axes.text(end, -0.8, "human, 65 ± 5", ha="right", va="bottom", color=GREY)


def _heading(axes: Axes, line: float, group: Group) -> None:
    _text(axes, NAMES_AT, line, group.heading, color=group.colour, weight="bold")
    _aside(axes, line, group.aside)
    if group.rows[0].kind == "published":
        _text(axes, INTERVALS_AT, line, "year", color=GREY)


def _sampling_error(axes: Axes, line: float, group: Group, row: Standing, images: int) -> None:
    """The binomial 95 % interval of a published accuracy, which comes with no interval of its own."""
    if row.kind != "published" or not group.comparable or row.accuracy is None:
        return
    half = 1.96 * math.sqrt(row.accuracy * (1.0 - row.accuracy) / images)
    ends = [100.0 * (row.accuracy - half), 100.0 * (row.accuracy + half)]
    axes.plot(ends, [line, line], color=group.colour, linewidth=0.9, alpha=0.6)


def _row(axes: Axes, line: float, group: Group, row: Standing, bold: bool) -> None:
    """One dot with its interval, its name on the left, its numbers on the right."""
    high = axes.get_xlim()[1]
    value = 100.0 * (row.accuracy or 0.0)
    style = {"color": INK if group.comparable else GREY, "weight": "bold" if bold else "normal"}
    name = row.name if row.kind == "published" else row.title
    name = name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1].rstrip() + "…"
    _text(axes, NAMES_AT, line, name, **style)
    _text(axes, NUMBERS_AT, line, f"{value:.2f}", **style)
    if row.ci_low is not None and row.ci_high is not None:
        axes.plot([100 * row.ci_low, 100 * row.ci_high], [line, line], color=group.colour, linewidth=1.8, alpha=0.5)
        _text(axes, INTERVALS_AT, line, f"{100 * row.ci_low:.1f} to {100 * row.ci_high:.1f}", **style)
    elif row.year is not None:
        _text(axes, INTERVALS_AT, line, str(row.year), **style)
    axes.plot(
        [min(value, high)], [line], ">" if value > high else group.marker, color=group.colour, markersize=5.4,
        markerfacecolor=group.colour if group.comparable else "white", clip_on=False,
    )  # fmt: skip
    if not group.comparable:
        _aside(axes, line, _short(row))


def _aside(axes: Axes, line: float, text: str) -> None:
    """Small text at the left edge of the axes, where rows of this group have no dots."""
    axes.text(axes.get_xlim()[0] + 0.15, line, text, va="center", color=GREY, fontsize=8, style="italic")


def _text(axes: Axes, across: float, line: float, text: str, va: str = "center", **style: Any) -> None:
    """Text in one of the columns beside the axes: `across` in figure widths, `line` in lines."""
    axes.text((across - LEFT) / (RIGHT - LEFT), line, text, transform=axes.get_yaxis_transform(), va=va, **style)


def _short(row: Standing) -> str:
    """The first words of a reason, up to its first bracket or semicolon."""
    return re.split(r"[;(]", row.why_not or "")[0].strip()

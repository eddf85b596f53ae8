"""A forest plot: what each row gains on the best single member, with paired bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    TEXT,
    Chart,
    Marks,
    bare,
    beside,
    fitted,
    panel,
    plural,
    sheet,
    signed,
)
from benchmarks.results import (
    BEST_SINGLE,
    LeaderboardRow,
    Results,
    best_single,
    ensemble_rows,
    headline_row,
    member_rows,
    split_names,
)
from benchmarks.results.schema import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ENSEMBLES, MOST_MEMBERS = 30, 8
INCHES_A_ROW, LEFT, RIGHT, BELOW, NUMBERS, INTERVALS = 0.19, 2.62, 5.32, 0.46, 5.42, 6.02  # inches
REACH = 1.6  # the axis goes as far below zero as so many times the widest reach above it; beyond are arrows


class Difference(NamedTuple):
    """Points of accuracy above the best single member."""

    name: str
    kind: str
    value: float
    low: float
    high: float
    headline: bool


def differences(results: Results) -> Chart | None:
    """Chart ensembles and the best members by their gain; None where no difference is known."""
    rows = _rows(results)
    single = best_single(results)
    if not rows or single is None:
        return None
    ensembles = [row for row in rows if row.kind == "ensemble"]
    above, below = (sum(side(row) for row in ensembles) for side in (_above, _below))
    title = f"How far the other members are from {single.title}, the best one"
    if ensembles:
        beat, lose = (f"{verb}{'s' if count == 1 else ''}" for verb, count in (("beat", above), ("lose", below)))
        who = f"{above} of {plural(len(ensembles), 'ensemble')}"
        title = f"{who} {beat} the best single member beyond chance, {below} {lose} to it"
    _, val, test = split_names(results)
    note = (
        f"Points of accuracy on {test} above {single.title}, the best member on {val} "
        f"({100 * (single.accuracy or 0.0):.1f} %). Lines: paired 95 % bootstrap intervals, not adjusted for their "
        "number. Filled: zero lies outside."
    )
    alt = f"Forest plot: differences in test accuracy of {plural(len(rows), 'row')} to {single.title}, with intervals."
    return Chart(title, alt, partial(_draw, title, note, rows))


def _above(row: Difference) -> bool:
    return row.low > 0


def _below(row: Difference) -> bool:
    return row.high < 0


def _rows(results: Results) -> list[Difference]:
    """Return differences, best first, without what they are taken to: the best single member."""
    single, headline = best_single(results), headline_row(results)
    by_kind: dict[str, list[Difference]] = {"ensemble": [], "member": []}
    entries: list[tuple[Scores, LeaderboardRow]] = [
        *zip(results["ensembles"], ensemble_rows(results), strict=False),  # failed ensemblers follow the fitted ones
        *zip(results["members"], member_rows(results), strict=True),
    ]
    for entry, row in entries:
        if row == single or (row.kind == "ensemble" and row.name == BEST_SINGLE):
            continue
        kind = "ensemble" if row.kind == "ensemble" else "member"
        value, low, high = (100 * part for part in (entry["difference"], *entry["difference_interval"]))
        by_kind[kind].append(Difference(row.title, kind, value, low, high, row == headline))
    ensembles, members = (sorted(part, key=lambda row: -row.value) for part in by_kind.values())
    return sorted([*ensembles[:MOST_ENSEMBLES], *members[:MOST_MEMBERS]], key=lambda row: -row.value)


def _draw(title: str, note: str, rows: Sequence[Difference]) -> Figure:
    depth = INCHES_A_ROW * len(rows)
    figure = sheet(title, note, BELOW + depth + 0.2)
    axes = panel(figure, LEFT, BELOW, RIGHT - LEFT, depth)
    high = math.ceil(max(1.0, *(row.high for row in rows)))
    low = -math.ceil(min(REACH * high, max(1.0, *(-row.low for row in rows))))
    axes.set(xlim=(low - 0.3, high + 0.1), ylim=(len(rows) - 0.4, -0.6), yticks=[], xlabel="points of accuracy")
    axes.grid(axis="x")
    bare(axes, "left")
    axes.axvline(0, color=INK, linewidth=0.9)
    beside(axes, NUMBERS, -0.8, "points", color=GREY, va="bottom")
    beside(axes, INTERVALS, -0.8, "95 % interval", color=GREY, va="bottom")
    marks = Marks(axes)
    names = [row.name for row in rows]
    for line, row in enumerate(rows):
        _row(axes, marks, line, row, low, names)
    marks.draw()
    return figure


def _row(axes: Axes, marks: Marks, line: int, row: Difference, low: float, names: Sequence[str]) -> None:
    colour, marker = (BLUE, "D") if row.kind == "ensemble" else (ORANGE, "o")
    style = {"weight": "bold" if row.headline else "normal"}
    text, size = fitted(row.name, 72 * (LEFT - MARGIN - 0.08), TEXT, style["weight"], names)
    beside(axes, MARGIN, line, text, fontsize=size, **style)
    beside(axes, NUMBERS, line, signed(row.value, 2), **style)
    beside(axes, INTERVALS, line, f"{signed(row.low, 1)} to {signed(row.high, 1)}", **style)
    marks.line([max(row.low, low), max(row.high, low)], [line, line], color=colour, linewidth=1.6, alpha=0.55)
    clear = _above(row) or _below(row)
    off = row.value < low
    marks.dot(
        max(row.value, low), line, "<" if off else marker, color=colour, markersize=5,
        markerfacecolor=colour if clear else "white",
    )  # fmt: skip

"""What a backbone is worth at equal cost: accuracy on val against the core-hours that its training has taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks.report.epochs import History
from benchmarks.report.figures.label_placement import Label, place
from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    SMALL,
    WIDTH,
    Chart,
    joined,
    panel,
    plural,
    sheet,
)
from benchmarks.results import EXTRA_LABELS, LeaderboardRow, Results, member_rows, split_names
from benchmarks.results.schema import Member

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOURS = 2.0  # of one core: the budget at which backbones are compared
LEAST = 3  # backbones, below which there is nothing to compare
NEAR = 2.0  # points below the best
CORES = re.compile(r", (\d+) cores?$")


@dataclass(frozen=True)
class Curve:
    """Of the member of a backbone that is best within the budget: core-hours and best accuracy so far, by epoch."""

    backbone: str
    device: str
    hours: tuple[float, ...]
    accuracy: tuple[float, ...]  # per cent

    @property
    def within(self) -> float:
        """Return the best accuracy within the budget; 0 where not one epoch was done by then."""
        return max((value for hour, value in zip(self.hours, self.accuracy, strict=True) if hour <= HOURS), default=0.0)


def equal_time(results: Results, known: Mapping[str, History]) -> Chart | None:
    """Chart a curve a backbone; None where fewer than three were trained on a CPU with a history."""
    curves = curves_of(results, known)
    if len(curves) < LEAST:
        return None
    _, val, _ = split_names(results)
    best = curves[0]
    close = [curve for curve in curves[1:] if curve.within >= best.within - NEAR]
    reached = f"{best.backbone} reaches {best.within:.1f} % on {val} within {HOURS:g} core-hours"
    others = len(curves) - 1
    come = "comes" if len(close) == 1 else "come"
    some = f"{len(close) or 'none'} of the other {others} backbones {come}"
    rest = f"{some if len(close) < others else f'all {others} others come'} within {NEAR:g} points"
    machines = [f"{name} ({count})" for name, count in Counter(CORES.sub("", one.device) for one in curves).items()]
    note = (
        "Of each backbone, the recipe that is best by then, without teachers; highest accuracy so far by epoch, dots "
        "where a training ended. Rates fall towards the end of a training: where a curve passes the line is not what "
        f"one planned for {HOURS:g} hours would reach. Hours are those of the machine it ran on, not corrected: "
        f"{joined(machines)}."
    )
    alt = f"Accuracy on {val} by training time of {plural(len(curves), 'backbone')}, one curve each."
    return Chart(f"{reached}; {rest}", alt, partial(_draw, f"{reached}; {rest}", note, curves, val))


def curves_of(results: Results, known: Mapping[str, History]) -> list[Curve]:
    """Return a curve for each backbone, the best within the budget first; ties by name."""
    chosen: dict[str, Curve] = {}
    for member, row in zip(results["members"], member_rows(results), strict=True):
        curve = None if _stands_on_others(member) else _curve(row, known.get(row.title, {}))
        if curve is not None and (curve.backbone not in chosen or curve.within > chosen[curve.backbone].within):
            chosen[curve.backbone] = curve
    return sorted((one for one in chosen.values() if one.within), key=lambda one: (-one.within, one.backbone))


def _stands_on_others(member: Member) -> bool:
    """Tell whether other trainings of ours came before a member's own: their hours are not in its own."""
    labels = (member["recipe"] or {}).get("labels", {})
    named = any(labels.get(setting) for setting in ("teacher", "judge", "annotator"))
    return named or "@from_" in member["name"]


def _curve(row: LeaderboardRow, history: History) -> Curve | None:
    """Return the curve of a member that was trained on a CPU, from labels that all have; None of another."""
    cores = CORES.search(row.device or "")
    other = any(row_class is EXTRA_LABELS or not row_class.like_members for row_class in row.row_classes)
    if cores is None or other or not history.get("seconds"):
        return None
    hours = tuple(int(cores[1]) * seconds / 3600 for seconds in history["seconds"])
    accuracy = tuple(100 * value for value in accumulate(history["val_accuracy"], max))
    return Curve(row.name.partition("@")[0], row.device or "", hours, accuracy)


def _draw(title: str, note: str, curves: list[Curve], val: str) -> Figure:
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = sheet(title, note, 3.6)
    axes = panel(figure, 0.5, 0.46, WIDTH - 0.5 - 2 * MARGIN, 3.05)
    first = min(curve.hours[0] for curve in curves)
    last = max(curve.hours[-1] for curve in curves)
    ticks = [
        hours for hours in (0.01, 0.03, 0.1, 0.3, 1, HOURS, 5, 10, 20, 50) if first <= hours <= 5 * max(last, HOURS)
    ]
    axes.set_xscale("log")
    last = max(last, HOURS)
    axes.set_xlim(first / 1.1, last * 5)  # names of what took longest stand behind it
    least, most = min(one.within for one in curves), max(one.accuracy[-1] for one in curves)
    axes.set_ylim(max(0.0, least - 12), most + 2)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{hours:g}" for hours in ticks])
    axes.grid(axis="y")
    axes.set_xlabel("core-hours of training", fontsize=SMALL)
    axes.set_ylabel(f"accuracy on {val}, %", fontsize=SMALL)
    axes.axvline(HOURS, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    for place_, curve in enumerate(curves):
        colour = (BLUE, ORANGE)[place_] if place_ < 2 else GREY
        axes.plot(curve.hours, curve.accuracy, color=colour, linewidth=1.6 if place_ < 2 else 0.9)
        axes.plot(curve.hours[-1:], curve.accuracy[-1:], "o", color=colour, markersize=3.0)
    ends = [(curve.hours[-1], curve.accuracy[-1]) for curve in curves]
    labels = [
        Label(*end, curve.backbone, (BLUE, ORANGE)[number] if number < 2 else INK)
        for number, (end, curve) in enumerate(zip(ends, curves, strict=True))
    ]
    limit = [(HOURS, height) for height in axes.get_ylim()]
    place(axes, labels, ends, [limit, *(list(zip(curve.hours, curve.accuracy, strict=True)) for curve in curves)])
    return figure

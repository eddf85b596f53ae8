"""What more members and more computing buy: accuracy against the number of members, and against FLOPs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.formats import count
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
    panel,
    plural,
    sheet,
    shorten,
)
from benchmarks.results import (
    BEST_SINGLE,
    LeaderboardRow,
    Results,
    ensemble_rows,
    headline_row,
    member_rows,
    split_names,
)
from benchmarks.results.analyses import GreedyPath, LearningCurve
from benchmarks.results.row_classes import ROW_CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Evaluated = Literal["val", "test"]
EVALUATED: tuple[Evaluated, ...] = ("val", "test")
NEAR = 0.001  # accuracy: a tenth of a point
LABELLED_MEMBERS = 6
STEP = 0.002  # accuracy: where the front rises by less, its rows go without names
SAME = 0.01  # of FLOPs: costs that a reader cannot tell apart
FAR = 0.15  # accuracy below the best: the few rows beyond it and below the front would press all others together
FEW = 0.1  # of the rows


def size(results: Results) -> Chart | None:
    """Chart accuracy by the number of members, picked greedily on val or at random; None below two members."""
    curve, path = results["audit"]["learning_curve"], results["charts"]["greedy_path"]
    if len(path["members"]) < 2:
        return None
    _, val, test = split_names(results)
    best = max(path["val"])
    few = next(k for k, value in enumerate(path["val"], start=1) if value >= best - NEAR)
    picked, every = 100 * path["test"][few - 1], 100 * curve["test"]["mean"][-1]
    who = f"{plural(few, 'member')} picked on {val} reach{'es' if few == 1 else ''}"
    title = f"{who} {picked:.1f} % on {test}, the average of all {curve['members'][-1]} gets {every:.1f} %"
    if few == curve["members"][-1]:
        title = f"No fewer than all {few} members are best on {val}: they reach {every:.1f} % on {test}"
    note = (
        "Uniform averages. Blue: members added greedily. Orange: random members, mean of "
        f"{curve['orders']} orders; the band is one standard deviation."
    )
    alt = f"Accuracy on {val} and {test} by the number of members averaged, picked greedily and at random."
    return Chart(title, alt, partial(_draw_size, title, note, curve, path, {"val": val, "test": test}))


def _draw_size(title: str, note: str, curve: LearningCurve, path: GreedyPath, names: Mapping[Evaluated, str]) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure = sheet(title, note, 3.1)
    width = (WIDTH - 0.5 - 0.25 - MARGIN - 0.05) / 2
    low, high = _range(curve, path)
    for index, (split, name) in enumerate(names.items()):
        axes = panel(figure, 0.5 + index * (width + 0.25), 0.46, width, 2.35)
        _random(axes, curve, split)
        greedy = 100 * np.array(path[split])
        axes.plot(np.arange(1, len(greedy) + 1), greedy, "D-", color=BLUE, linewidth=1.3, markersize=3.6)
        axes.set(xlim=(0.5, curve["members"][-1] + 0.5), ylim=(low, high))
        axes.set_title(f"{name} ({split})", loc="left", fontsize=SMALL + 0.8, weight="bold", pad=5)
        axes.set_xlabel("members averaged", fontsize=SMALL + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.grid()
        best = int(np.argmax(path["val"]))
        where = [Label(best + 1, greedy[best], f"greedy: {greedy[best]:.1f} with {best + 1}", BLUE, "bold")]
        mean = 100 * np.array(curve[split]["mean"])
        middle = len(mean) // 2
        where.append(Label(middle + 1, mean[middle], "random", ORANGE, "bold"))
        place(axes, where, [], [list(enumerate(line.tolist(), start=1)) for line in (greedy, mean)])
        if index == 0:
            axes.set_ylabel("accuracy, %", fontsize=SMALL + 0.5)
        else:
            axes.tick_params(labelleft=False)
    return figure


def _random(axes: Axes, curve: LearningCurve, split: Evaluated) -> None:
    mean, spread = 100 * np.array(curve[split]["mean"]), 100 * np.array(curve[split]["spread"])
    axes.fill_between(curve["members"], mean - spread, mean + spread, color=ORANGE, alpha=0.15, linewidth=0)
    axes.plot(curve["members"], mean, "o--", color=ORANGE, linewidth=1.2, markersize=3.2)


def _range(curve: LearningCurve, path: GreedyPath) -> tuple[float, float]:
    """Return the same limits for both splits."""
    low = min(min(np.subtract(curve[split]["mean"], curve[split]["spread"])) for split in EVALUATED)
    high = max(max(*path[split], *np.add(curve[split]["mean"], curve[split]["spread"])) for split in EVALUATED)
    room = 6.0 * (high - low) or 1.0
    return max(0.0, 100 * low - room), min(100.0 + room / 2, 100 * high + 2.5 * room)


def cost(results: Results) -> Chart | None:
    """Chart accuracy against FLOPs per image with the Pareto front; None where fewer than two rows have both."""
    everything = [*member_rows(results), *(row for row in ensemble_rows(results) if row.name != BEST_SINGLE)]
    rows = [row for row in everything if row.accuracy is not None and row.flops]
    if len(rows) < 2:
        return None
    spots = {(row.flops or 0, row.accuracy or 0.0): row for row in reversed(rows) if row.pareto}  # one row a spot
    front = [spots[spot] for spot in sorted(spots)]
    reached = [row.accuracy or 0.0 for row in rows]
    least = min(max(reached) - FAR, float(np.quantile(reached, FEW)), *(row.accuracy or 0.0 for row in front))
    rows, below = [row for row in rows if (row.accuracy or 0.0) >= least], sum(value < least for value in reached)
    title = "What accuracy costs"
    if front:
        first, last = front[0], front[-1]
        title = f"{_worth(last)}" if first == last else f"{_worth(first)}, {_worth(last)}"
    test = results["splits"]["test"]["name"]
    note = (
        "Orange dots: members; blue diamonds: ensembles, the sum of their members, views of one network once. The line "
        "is the front: no row beats those on it in accuracy at as few FLOPs. Named are its larger steps and, where "
        f"there is room, of members that cost the same the best.{_apart(rows)}"
        + (f" {plural(below, 'row')} below {100 * least:.0f} % not shown." if below else "")
    )
    alt = f"Accuracy on {test} against FLOPs an image of {len(rows)} members and ensembles, with the Pareto front."
    return Chart(title, alt, partial(_draw_cost, title, note, rows, front, headline_row(results), test))


def _apart(rows: Sequence[LeaderboardRow]) -> str:
    """Say which classes of rows are drawn without being asked for the front; empty where there are none."""
    classes = [
        f"{row_class.name} {row_class.mark}"
        for row_class in ROW_CLASSES.values()
        if any(row.pareto is None and row_class in row.row_classes for row in rows)
    ]
    if not classes:
        return ""
    return f" Not asked for the front: rows that stand apart ({', '.join(classes)})."


def _worth(row: LeaderboardRow) -> str:
    return f"{row.title} gets {100 * (row.accuracy or 0.0):.1f} % for {count(row.flops)} FLOPs"


def _draw_cost(
    title: str,
    note: str,
    rows: Sequence[LeaderboardRow],
    front: Sequence[LeaderboardRow],
    headline: LeaderboardRow | None,
    test: str,
) -> Figure:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = sheet(title, note, 4.0)
    axes = panel(figure, 0.5, 0.48, WIDTH - 0.5 - MARGIN - 0.1, 3.4)
    points = [(float(row.flops or 0), 100 * (row.accuracy or 0.0)) for row in rows]
    for (ensemble, on_front), some in groupby(zip(rows, points, strict=True), key=_sign):
        x, y = zip(*(point for _, point in some), strict=True)
        axes.plot(x, y, "D" if ensemble else "o", color=BLUE if ensemble else ORANGE, markersize=5,
                  markerfacecolor=None if on_front else "white", zorder=3)  # fmt: skip
    line = _steps(front, max(x for x, _ in points))
    axes.plot([x for x, _ in line], [y for _, y in line], color=GREY, linewidth=1.0, zorder=2)
    axes.set(xscale="log", xlabel="FLOPs an image", ylabel=f"accuracy on {test}, %")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: (count(value) or "").replace(".0", "")))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid()
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = 0.08 * (high - low) or 1.0
    ends = [min(x for x, _ in points), max(x for x, _ in points)]
    axes.set(xlim=(ends[0] / 1.5, ends[1] * 1.9), ylim=(low - room, high + room))
    place(axes, _labels(rows, front, headline), points, [line])
    return figure


def _sign(drawn: tuple[LeaderboardRow, tuple[float, float]]) -> tuple[bool, bool]:
    """Return what a row's dot shows of it: whether it is an ensemble, and whether it is on the front."""
    return drawn[0].kind == "ensemble", bool(drawn[0].pareto)


def _steps(front: Sequence[LeaderboardRow], end: float) -> list[tuple[float, float]]:
    """Return the corners of the front: level up to the cost of the next row, then up to its accuracy."""
    spots = [(float(row.flops or 0), 100 * (row.accuracy or 0.0)) for row in front]
    ends = [*(x for x, _ in spots[1:]), end]
    return [corner for (x, y), right in zip(spots, ends, strict=False) for corner in ((x, y), (right, y))]


def _labels(
    rows: Sequence[LeaderboardRow], front: Sequence[LeaderboardRow], headline: LeaderboardRow | None
) -> list[Label]:
    """Name the headline, the front's ends and steps, and the best other members, one of each cost."""
    named = [row for row in rows if row == headline]
    taken, reached = {(row.flops, row.accuracy) for row in named}, 0.0
    for row in front:
        if (row.flops, row.accuracy) not in taken and ((row.accuracy or 0.0) >= reached + STEP or row == front[-1]):
            named.append(row)
            reached = row.accuracy or 0.0
    others = sorted((row for row in rows if row.kind != "ensemble"), key=lambda row: -(row.accuracy or 0.0))
    needed = list(named)
    room = len(named) + LABELLED_MEMBERS
    titles = [row.title for row in rows]
    for row in others:
        alike = (other for other in named if other.kind != "ensemble")
        if len(named) < room and not any(
            math.isclose(row.flops or 0, other.flops or 0, rel_tol=SAME) for other in alike
        ):
            named.append(row)
    return [
        Label(
            float(row.flops or 0), 100 * (row.accuracy or 0.0), shorten(row.title, 30, titles),
            INK if row in front else GREY, "bold" if row == headline else "normal", row not in needed,
        )
        for row in named
    ]  # fmt: skip

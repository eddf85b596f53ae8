"""Prediction sets: how many classes it takes to hold the right one, and which classes are held too seldom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    SMALL,
    WIDTH,
    Chart,
    bare,
    beside,
    blues,
    fitted,
    panel,
    sheet,
)
from benchmarks.results import Results, headline_probabilities, probability_rows, split_names
from benchmarks.results.probabilities import ProbabilityRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENSEMBLES = 8
MOST_SIZES = 5  # told apart in the bars; larger sets are drawn as one
LEFT, CLASSES, FOOT, HEAD = 1.95, 1.75, 0.42, 0.1  # inches
INCHES_A_ROW, LEAST = 0.24, 1.6


def sets(results: Results) -> Chart | None:
    """Chart the sets of the best single member and the leading ensembles; None where nothing is known of them."""
    rows = probability_rows(results, ENSEMBLES)
    rows.sort(key=lambda row: row["sets"]["size"])
    if not rows:
        return None
    chosen = headline_probabilities(results) or rows[0]
    coverage = 100 * results["probabilities"]["coverage"]
    title = (
        f"Asked to hold the right class {coverage:.0f} % of the time, “{chosen['title']}” names "
        f"{chosen['sets']['size']:.2f} of {len(results['classes'])} classes in the mean, one alone for "
        f"{100 * chosen['sets']['alone']:.0f} % of the images"
    )
    _, val, test = split_names(results)
    note = (
        f"Conformal sets calibrated on {val}, counted on {test}. Left: images by the number of classes in their set; "
        f"mean with 95 % interval. Right: how often the sets of “{chosen['title']}” hold a class, by one quantile for "
        "all classes (circles) and by one for each (diamonds)."
    )
    alt = "Bars of set sizes by model, and coverage by class."
    return Chart(title, alt, partial(_draw, title, note, rows, chosen, results["classes"], coverage))


def _draw(
    title: str,
    note: str,
    rows: Sequence[ProbabilityRow],
    chosen: ProbabilityRow,
    classes: Sequence[str],
    coverage: float,
) -> Figure:
    depth = max(LEAST, INCHES_A_ROW * max(len(rows), len(classes)))
    figure = sheet(title, note, FOOT + depth + HEAD)
    right = WIDTH - MARGIN - CLASSES
    bars = panel(figure, LEFT, FOOT, right - 1.75 - LEFT, depth)
    _bars(bars, rows, chosen)
    _classes(panel(figure, right, FOOT, CLASSES, depth), chosen, classes, coverage)
    return figure


def _bars(axes: Axes, rows: Sequence[ProbabilityRow], chosen: ProbabilityRow) -> None:
    colours = blues()
    titles = [row["title"] for row in rows]
    for line, row in enumerate(rows):
        shares = [100 * share for share in row["sets"]["sizes"]]
        shown = [*shares[: MOST_SIZES - 1], sum(shares[MOST_SIZES - 1 :])]
        starts = [0.0, *accumulate(shown[:-1])]
        inks = [colours(0.95 - 0.8 * place / (MOST_SIZES - 1)) for place in range(len(shown))]
        axes.barh([line] * len(shown), shown, left=starts, height=0.72, color=inks, linewidth=0)
        for place, (start, share) in enumerate(zip(starts, shown, strict=True)):
            if share >= 9:
                ink = "white" if place < 2 else INK
                number = f"{place + 1}" if place < MOST_SIZES - 1 else f"{MOST_SIZES}+"
                axes.text(start + share / 2, line, number, ha="center", va="center", color=ink, fontsize=SMALL - 1)
        low, high = row["sets"]["size_interval"]
        style: dict[str, Any] = {"weight": "bold" if row is chosen else "normal"}
        text, points = fitted(row["title"], 72 * (LEFT - 2 * MARGIN), SMALL, style["weight"], titles)
        beside(axes, MARGIN, line, text, fontsize=points, **style)
        axes.annotate(
            f"{row['sets']['size']:.2f} [{low:.2f}, {high:.2f}]", (100, line), (5, 0), textcoords="offset points",
            va="center", fontsize=SMALL - 0.6, **style,
        )  # fmt: skip
    axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6), yticks=[], xlabel="images, %")
    bare(axes, "left")


def _classes(axes: Axes, chosen: ProbabilityRow, classes: Sequence[str], coverage: float) -> None:
    axes.axvline(coverage, color=INK, linewidth=0.9)
    lowest = coverage
    for key, colour, marker in (("sets", ORANGE, "o"), ("class_sets", BLUE, "D")):
        shares = chosen[key]["class_covered"]  # type: ignore[literal-required]
        places = [(100 * share, line) for line, share in enumerate(shares) if share is not None]
        lowest = min(lowest, *(share for share, _ in places))
        axes.plot(*zip(*places, strict=True), marker, color=colour, markersize=4.6, linestyle="none", clip_on=False)
    axes.set(xlim=(5 * (lowest // 5) - 2, 101), ylim=(len(classes) - 0.4, -0.6), xlabel="held, %")
    axes.set_yticks(range(len(classes)), classes, color=GREY)
    axes.grid(axis="x")
    bare(axes, "left")

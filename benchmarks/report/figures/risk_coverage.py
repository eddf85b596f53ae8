"""Selective accuracy: how often models are right where they are surest, and how many images they may answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    SMALL,
    WIDTH,
    Chart,
    Marks,
    bare,
    panel,
    sheet,
    shorten,
)
from benchmarks.results import Results, split_names
from benchmarks.results.probabilities import ProbabilityRow, RiskCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, FOOT, HIGH, CURVES, BETWEEN = 0.5, 0.5, 2.7, 3.5, 0.75  # inches
FIRST = 10  # per cent of the images from which on the curve is drawn: of fewer, chance is all
STYLES = ((ORANGE, "o", "-"), (GREEN, "s", (0, (3, 1.2))), (BLUE, "D", "-"))  # single, uniform, headline
ALL = 0.995  # of the images: what rounds to it is an answer to each


def risk_coverage(results: Results) -> Chart | None:
    """Chart the best single member, the average of all and the headline; None where nothing is known of them."""
    curves = results["probabilities"]["curves"]
    rows = [_row(curve, results) for curve in curves]
    if not curves:
        return None
    asked = _telling(rows)
    answers = [_answered(row, asked) for row in rows]
    title = (
        f"{_short(curves[-1])} answers {_percent(answers[-1])} of the images where {100 * asked:.0f} % are to be right"
    )
    if len(curves) > 1:
        title += f", the best single member {_percent(answers[0])}"
    _, val, test = split_names(results)
    note = (
        f"Left: how often models are right among the images of {test} of which they are surest. Right: share of the "
        f"images that are answered where 80, 85 or 90 % of the answers are to be right, by thresholds from {val}, with "
        "95 % intervals; numbers: how often the answers were right."
    )
    alt = "Risk-coverage curves and shares of images answered, of " + ", ".join(curve["title"] for curve in curves)
    return Chart(title, f"{alt}.", partial(_draw, title, note, curves, rows))


def _row(curve: RiskCurve, results: Results) -> ProbabilityRow:
    rows = results["probabilities"]["rows"]
    return next(row for row in rows if (row["kind"], row["title"]) == (curve["kind"], curve["title"]))


def _telling(rows: Sequence[ProbabilityRow]) -> float:
    """Return the share of right answers that the title speaks of: the middle one, or a higher one where for that every
    row answers every image."""
    asked = [one["asked"] for one in rows[0]["selective"]]
    higher = asked[len(asked) // 2 :]
    return next((share for share in higher if any((_answered(row, share) or 0) < ALL for row in rows)), higher[-1])


def _answered(row: ProbabilityRow, asked: float) -> float | None:
    return next((one["answered"] for one in row["selective"] if one["asked"] == asked), None)


def _short(curve: RiskCurve) -> str:
    return "The best single member" if curve["kind"] == "member" else f"“{curve['title']}”"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.0f} %"


def _draw(title: str, note: str, curves: Sequence[RiskCurve], rows: Sequence[ProbabilityRow]) -> Figure:
    figure = sheet(title, note, FOOT + HIGH + 0.1)
    _curves(panel(figure, LEFT, FOOT, CURVES, HIGH), curves)
    left = LEFT + CURVES + BETWEEN
    _answers(panel(figure, left, FOOT, WIDTH - left - MARGIN - 0.1, HIGH), rows)
    return figure


def _curves(axes: Axes, curves: Sequence[RiskCurve]) -> None:
    coverage = np.arange(1, 101)
    lowest = min(100 * (1 - max(curve["risk"][FIRST:])) for curve in curves)
    for place, (curve, (colour, marker, style)) in enumerate(zip(curves, _styles(len(curves)), strict=True)):
        right = 100 * (1 - np.array(curve["risk"]))
        axes.plot(coverage[FIRST - 1 :], right[FIRST - 1 :], color=colour, linestyle=style, linewidth=1.5)
        sign = {"o": "●", "s": "■", "D": "◆"}[marker]
        text = f"{sign} {shorten(curve['title'], 34)}"
        axes.text(0.03, 0.05 + 0.065 * (len(curves) - 1 - place), text, transform=axes.transAxes, color=colour)
    axes.set(xlim=(FIRST, 100), ylim=(5 * np.floor(lowest / 5), 100), xlabel="images answered, the surest first, %")
    axes.set_ylabel("right among them, %")
    axes.grid()


def _answers(axes: Axes, rows: Sequence[ProbabilityRow]) -> None:
    asked = [one["asked"] for one in rows[0]["selective"]]
    step = 1.0 / (len(rows) + 1.2)
    marks = Marks(axes)
    for place, (row, (colour, marker, _)) in enumerate(zip(rows, _styles(len(rows)), strict=True)):
        for group, one in enumerate(row["selective"]):
            if one["answered"] is None or one["answered_interval"] is None:
                continue
            y = group + (place - (len(rows) - 1) / 2) * step
            low, high = (100 * bound for bound in one["answered_interval"])
            marks.line([low, high], [y, y], color=colour, linewidth=1.6, alpha=0.55)
            marks.dot(100 * one["answered"], y, marker, color=colour, markersize=4.6)
            if one["right"] is not None:
                axes.annotate(
                    f"{100 * one['right']:.1f}", (high, y), (4, 0), textcoords="offset points", color=INK, va="center",
                    fontsize=SMALL - 1,
                )  # fmt: skip
    marks.draw()
    bounds = [100 * bound for row in rows for one in row["selective"] for bound in one["answered_interval"] or ()]
    low, high = min(bounds, default=0.0), max(bounds, default=100.0)
    room = (high - low) / 8 + 1
    axes.set(ylim=(len(asked) - 0.5, -0.5), xlim=(low - room, high + 2 * room), xlabel="images answered, %")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xticks([share for share in axes.get_xticks() if low - room <= share <= min(100, high + 2 * room)])
    axes.set_yticks(range(len(asked)), [f"{100 * share:.0f} %\nright" for share in asked], color=GREY)
    axes.grid(axis="x")
    bare(axes, "left")


def _styles(count: int) -> list[tuple[str, str, object]]:
    """Return as many styles as there are curves: the first is the best single member's, the last the headline's."""
    return [STYLES[0], *STYLES[3 - count + 1 :]] if count > 1 else [STYLES[0]]

"""Reliability diagrams: how often models are right when they say how sure they are (arXiv:1706.04599)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.report.figures.style import BLUE, GREY, ORANGE, SMALL, WIDTH, Chart, panel, sheet, shorten
from benchmarks.results import Results, split_names
from benchmarks.results.analyses import Reliability, ShownModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, GAP, FOOT, HIGH, BARS, HEAD = 0.5, 0.42, 0.46, 2.7, 0.5, 0.26  # inches
END = 0.15  # inches right of the last panel, for half of its last number
FEWEST = 10  # images
STATES: tuple[tuple[Literal["reliability", "reliability_scaled"], str, str, str, Any], ...] = (
    ("reliability", "as it is", ORANGE, "o", (0, (3, 1.2))),
    ("reliability_scaled", "scaled", BLUE, "D", "-"),
)


def reliability(results: Results) -> Chart | None:
    """Chart the best single member and the headline ensemble, before and after temperature scaling."""
    shown = results["charts"]["shown"]
    if not shown:
        return None
    before, after = (_gap(shown[-1][key]) for key, *_ in STATES)
    model = "the best single member" if shown[-1]["kind"] == "member" else "the headline ensemble"
    lean = _lean(shown[-1]["reliability"])
    change = f"one temperature takes its calibration error from {100 * before:.1f} to {100 * after:.1f} %"
    title = f"{model[0].upper()}{model[1:]} is {lean}; {change}"
    _, val, test = split_names(results)
    note = (
        f"{test}; temperatures fitted on {val}. On the grey line a model is right as often as it says; above it, more "
        f"often. Bars: share of the images. Bins of fewer than {FEWEST} images are not drawn."
    )
    alt = "Reliability diagrams, before and after temperature scaling, of " + " and ".join(m["title"] for m in shown)
    return Chart(title, f"{alt}.", partial(_draw, title, note, shown))


def _weights(bins: Reliability) -> np.ndarray:
    count = np.array(bins["count"], dtype=float)
    return count / count.sum()


def _gap(bins: Reliability) -> float:
    """Return the expected calibration error."""
    return float(_weights(bins) @ np.abs(np.array(bins["accuracy"]) - np.array(bins["confidence"])))


def _seen(bins: Reliability) -> np.ndarray:
    """Return which bins hold enough images to be drawn; all, where none does."""
    count = np.array(bins["count"])
    return (count >= FEWEST) | bool((count < FEWEST).all())


def _lean(bins: Reliability) -> str:
    surplus = float(_weights(bins) @ (np.array(bins["confidence"]) - np.array(bins["accuracy"])))
    if abs(surplus) < 0.005:
        return "right about as often as it says"
    return f"right {100 * abs(surplus):.1f} points {'less' if surplus > 0 else 'more'} often than it says"


def _draw(title: str, note: str, shown: Sequence[ShownModel]) -> Figure:
    figure = sheet(title, note, FOOT + BARS + 0.08 + HIGH + HEAD)
    width = (WIDTH - LEFT - GAP - END) / 2
    for index, model in enumerate(shown):
        left = LEFT + index * (width + GAP)
        axes = panel(figure, left, FOOT + BARS + 0.08, width, HIGH)
        low = _lowest(shown)
        _curves(axes, model, low)
        axes.set_title(shorten(model["title"], 40), loc="left", fontsize=SMALL + 0.8, weight="bold", pad=5)
        bars = panel(figure, left, FOOT, width, BARS)
        _bars(bars, model, low)
        bars.set_xlabel("confidence: probability of the predicted class, %", fontsize=SMALL)
        if index == 0:
            axes.set_ylabel("right, %", fontsize=SMALL)
            bars.set_ylabel("share, %", fontsize=SMALL)
    return figure


def _lowest(shown: Sequence[ShownModel]) -> float:
    """Return the left end of all axes, in per cent: a step of ten below the least confidence or accuracy."""
    every = [model[key] for model in shown for key, *_ in STATES]
    least = min(
        np.array(values)[_seen(bins)].min() for bins in every for values in (bins["confidence"], bins["accuracy"])
    )
    return max(0.0, 10.0 * float(np.floor(10.0 * least - 0.05)))


def _curves(axes: Axes, model: ShownModel, low: float) -> None:
    from matplotlib.ticker import MultipleLocator

    axes.plot([low, 100], [low, 100], color=GREY, linewidth=0.9)
    for place, (key, words, colour, marker, style) in enumerate(STATES):
        bins = model[key]
        seen = _seen(bins)
        sizes = 8 + 160 * _weights(bins)[seen]
        x, y = (100 * np.array(values)[seen] for values in (bins["confidence"], bins["accuracy"]))
        axes.plot(x, y, color=colour, linewidth=1.2, linestyle=style)
        axes.scatter(x, y, s=sizes, color=colour, marker=marker, linewidths=0, zorder=3)
        text = f"{'◆' if marker == 'D' else '●'} {words}: error {100 * _gap(bins):.1f} %"
        axes.text(0.97, 0.045 + 0.075 * (1 - place), text, transform=axes.transAxes, ha="right", color=colour)
    axes.set(xlim=(low, 100), ylim=(low, 100))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(20))
    axes.grid()
    axes.tick_params(labelbottom=False)


def _bars(axes: Axes, model: ShownModel, low: float) -> None:
    from matplotlib.ticker import MultipleLocator

    for key, _, colour, _, _ in STATES:
        confidence, weights = 100 * np.array(model[key]["confidence"]), 100 * _weights(model[key])
        shift = 0.9 if key == "reliability_scaled" else -0.9
        axes.bar(confidence + shift, weights, width=1.6, color=colour, linewidth=0)
    axes.set(xlim=(low, 100))
    axes.xaxis.set_major_locator(MultipleLocator(20))
    axes.locator_params(axis="y", nbins=2)

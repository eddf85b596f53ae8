"""What validation says of each member: one small panel a metric, one line a member."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    SMALL,
    Chart,
    bare,
    beside,
    joined,
    panel,
    plural,
    sheet,
    shorten,
    text_width,
)
from benchmarks.results import Results, member_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30  # members
INCHES_A_ROW, LEAST_LEFT, BELOW, GAP, ABOVE = 0.2, 1.2, 0.2, 0.14, 0.44
NAME = 8.8  # points


class Metric(NamedTuple):
    """A column of the chart; `scale` and `digits` say how its values are printed."""

    key: str
    name: str
    words: str
    scale: float
    digits: int
    low_is_good: bool


METRICS = (
    Metric("val_accuracy", "accuracy, %", "accuracy", 100.0, 1, False),
    Metric("val_macro_f1", "macro-F1, %", "macro-F1", 100.0, 1, False),
    Metric("val_log_loss", "log-loss", "log-loss", 1.0, 2, True),
    Metric("val_ece", "ECE, %", "calibration", 100.0, 1, True),
)


def validation(results: Results) -> Chart | None:
    """Validation metrics by member, best accuracy first; None without members that have any."""
    titles = [row.title for row in member_rows(results)]
    named = [
        (title, member)
        for title, member in zip(titles, results["members"], strict=True)
        if member.get("val_accuracy") is not None
    ]
    named.sort(key=lambda pair: -pair[1]["val_accuracy"])
    metrics = [metric for metric in METRICS if all(member.get(metric.key) is not None for _, member in named)]
    if not named:
        return None
    title = _title(named, metrics)
    split = results["splits"]["val"]
    note = f"{split['name']}, {split['size']:,} images; bold: best of its column. ECE: expected calibration error"
    if len(named) > MOST:
        note += f"; the best {MOST} of {plural(len(named), 'member')}"
    alt = f"Dots: {joined([metric.words for metric in metrics])} of {plural(len(named), 'member')} on {split['name']}."
    return Chart(title, alt, partial(_draw, title, note, named[:MOST], metrics))


def _best(named: list[tuple[str, Mapping[str, Any]]], metric: Metric) -> float:
    values = [member[metric.key] for _, member in named]
    return min(values) if metric.low_is_good else max(values)


def _title(named: list[tuple[str, Mapping[str, Any]]], metrics: list[Metric]) -> str:
    """Who leads in what: the leader in accuracy first."""
    leads: dict[str, list[str]] = {}
    for metric in metrics:
        best = _best(named, metric)
        leader = next(title for title, member in named if member[metric.key] == best)
        leads.setdefault(leader, []).append(metric.words)
    (first, words), *others = leads.items()
    return ", ".join([f"{first} leads in {joined(words)}", *(f"{name} in {joined(words)}" for name, words in others)])


def _draw(title: str, note: str, named: list[tuple[str, Mapping[str, Any]]], metrics: list[Metric]) -> Figure:
    rows = INCHES_A_ROW * len(named)
    figure = sheet(title, note, BELOW + rows + ABOVE)
    names = [shorten(name, 34) for name, _ in named]
    left = max(LEAST_LEFT, MARGIN + GAP + max(text_width(name, NAME, "normal") for name in names) / 72)
    whole = figure.get_size_inches()[0] - left - MARGIN
    width = (whole - GAP * (len(METRICS) - 1)) / len(METRICS)
    for column, metric in enumerate(metrics):
        axes = panel(figure, left + column * (width + GAP), BELOW, width, rows)
        _column(axes, metric, named)
        if column == 0:
            for line, name in enumerate(names):
                beside(axes, MARGIN, line, name, fontsize=NAME)
    return figure


def _column(axes: Axes, metric: Metric, named: list[tuple[str, Mapping[str, Any]]]) -> None:
    """Dots on a line from the panel's left edge, each with its value; the value stands where there is room."""
    values = [metric.scale * member[metric.key] for _, member in named]
    best = metric.scale * _best(named, metric)
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    axes.set(xlim=(low - 0.12 * span, high + 0.62 * span), ylim=(len(named) - 0.5, -0.5), xticks=[], yticks=[])
    bare(axes, "left", "bottom")
    for line, value in enumerate(values):
        leads = value == best
        axes.plot([low - 0.12 * span, high + 0.62 * span], [line, line], color="#efefef", linewidth=0.7, zorder=0)
        axes.plot([value], [line], "o", color=BLUE, markersize=4.6, markerfacecolor=BLUE if leads else "#7fb8d8")
        axes.annotate(
            f"{value:.{metric.digits}f}", (value, line), (5.5, 0), textcoords="offset points", va="center_baseline",
            fontsize=SMALL, color=INK, weight="bold" if leads else "normal",
        )  # fmt: skip
    axes.text(0.0, -0.9, metric.name, transform=axes.get_yaxis_transform(), fontsize=SMALL, va="bottom", weight="bold")
    better = "lower is better" if metric.low_is_good else "higher is better"
    axes.annotate(
        better, (0.0, -0.9), (0, 11), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
        fontsize=SMALL - 0.5, color=GREY, va="bottom",
    )  # fmt: skip

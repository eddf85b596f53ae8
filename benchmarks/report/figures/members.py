"""What validation says of each member: one small panel a metric, one line a member."""

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
    TEXT,
    Chart,
    Marks,
    bare,
    beside,
    joined,
    panel,
    plural,
    sheet,
    shorten,
    text_width,
)
from benchmarks.results import Results, member_rows, metric_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30  # members
INCHES_A_ROW, LEAST_LEFT, BELOW, GAP, ABOVE = 0.2, 1.2, 0.2, 0.14, 0.44


class Metric(NamedTuple):
    """A column of the chart: each member's value by its title, what it is called, and how its values are printed."""

    name: str
    about: str
    values: dict[str, float]
    percent: bool
    digits: int
    low_is_good: bool

    @property
    def heading(self) -> str:
        return f"{self.name}, %" if self.percent else self.name

    @property
    def best(self) -> float:
        return min(self.values.values()) if self.low_is_good else max(self.values.values())


def validation(results: Results) -> Chart | None:
    """Chart validation metrics by member, best accuracy first; None without members."""
    metrics = _metrics(results)
    accuracy = metrics[0].values
    if not accuracy:
        return None
    names, split = sorted(accuracy, key=lambda name: -accuracy[name]), results["splits"]["val"]
    members = plural(len(names), "member")
    note = f"{split['name']}, {split['size']:,} images; bold: best of its column"
    if len(names) > MOST:
        note += f"; the best {MOST} of {members}"
    note += "".join(f". {metric.name[:1].upper()}{metric.name[1:]}: {metric.about}" for metric in metrics[1:])
    alt = f"Dots: {joined([metric.name for metric in metrics])} of {members} on {split['name']}."
    title = _title(names, metrics)
    return Chart(title, alt, partial(_draw, title, note, names[:MOST], metrics))


def _metrics(results: Results) -> list[Metric]:
    """Return accuracy, and the validation metrics that every member has."""
    members = {row.title: member for row, member in zip(member_rows(results), results["members"], strict=True)}
    accuracy = {title: member["val_accuracy"] for title, member in members.items()}
    metrics = [Metric("accuracy", "", accuracy, True, 1, False)]
    for column in metric_columns(results, "validation"):
        values = {title: member["val_metrics"].get(column["name"]) for title, member in members.items()}
        known = {title: value for title, value in values.items() if value is not None}
        if len(known) == len(members):
            name, percent = _lower_first(column["title"]), column["percent"]
            digits = 1 if percent else column["digits"]
            metrics.append(Metric(name, column["about"], known, percent, digits, column["better"] == "lower"))
    return metrics


def _lower_first(title: str) -> str:
    """Print Macro-F1 as macro-F1; ECE as it is."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _title(names: Sequence[str], metrics: Sequence[Metric]) -> str:
    """Say who leads in what, the leader in accuracy first."""
    leads: dict[str, list[str]] = {}
    for metric in metrics:
        leader = next(name for name in names if metric.values[name] == metric.best)
        leads.setdefault(leader, []).append(metric.name)
    (first, words), *others = leads.items()
    return ", ".join([f"{first} leads in {joined(words)}", *(f"{name} in {joined(words)}" for name, words in others)])


def _draw(title: str, note: str, names: Sequence[str], metrics: Sequence[Metric]) -> Figure:
    rows = INCHES_A_ROW * len(names)
    figure = sheet(title, note, BELOW + rows + ABOVE)
    short = [shorten(name, 34, names) for name in names]
    left = max(LEAST_LEFT, MARGIN + GAP + max(text_width(name, TEXT, "normal") for name in short) / 72)
    whole = figure.get_size_inches()[0] - left - MARGIN
    width = (whole - GAP * (len(metrics) - 1)) / len(metrics)
    for column, metric in enumerate(metrics):
        axes = panel(figure, left + column * (width + GAP), BELOW, width, rows)
        _column(axes, metric, names)
        if column == 0:
            for line, name in enumerate(short):
                beside(axes, MARGIN, line, name, fontsize=TEXT)
    return figure


def _column(axes: Axes, metric: Metric, names: Sequence[str]) -> None:
    """Draw dots on a line from the panel's left edge, each with its value where there is room."""
    scale = 100.0 if metric.percent else 1.0
    values = [scale * metric.values[name] for name in names]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    axes.set(xlim=(low - 0.12 * span, high + 0.72 * span), ylim=(len(names) - 0.5, -0.5), xticks=[], yticks=[])
    bare(axes, "left", "bottom")
    marks = Marks(axes)
    for line, value in enumerate(values):
        leads = value == scale * metric.best
        marks.line([low - 0.12 * span, high + 0.72 * span], [line, line], color="#efefef", linewidth=0.7, zorder=0)
        marks.dot(value, line, "o", color=BLUE, markersize=4.6, markerfacecolor=BLUE if leads else "#7fb8d8")
        axes.annotate(
            f"{value:.{metric.digits}f}", (value, line), (5.5, 0), textcoords="offset points", va="center_baseline",
            fontsize=SMALL, color=INK, weight="bold" if leads else "normal",
        )  # fmt: skip
    marks.draw()
    across = axes.get_yaxis_transform()
    axes.text(0.0, -0.9, metric.heading, transform=across, fontsize=SMALL, va="bottom", weight="bold")
    better = "lower is better" if metric.low_is_good else "higher is better"
    axes.annotate(
        better, (0.0, -0.9), (0, 11), xycoords=across, textcoords="offset points", fontsize=SMALL - 0.5, color=GREY,
        va="bottom",
    )  # fmt: skip

"""Training curves, small multiples: a cell a member, accuracy above, loss below, all on the same scales."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.report.epochs import History, member_history
from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    MARGIN,
    ORANGE,
    PALE,
    SMALL,
    WIDTH,
    Chart,
    Marks,
    fitted,
    panel,
    plural,
    sheet,
)
from benchmarks.results import Results, member_rows, split_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, MOST = 4, 12
LEFT, BELOW, GAP, ROW_GAP = 0.5, 0.36, 0.16, 0.3
ACCURACY_HIGH, LOSS_HIGH, NAME_HIGH, BETWEEN = 0.74, 0.5, 0.22, 0.08  # inches
POINT = 1 / 72  # inches
LATE = 0.1  # share of the epochs: a best epoch within the last of them may not be the end of learning


def histories(results: Results, folder: Path) -> dict[str, History]:
    """Read the training histories in `folder` (a suite's predictions) by the member's title.

    Members that use another one's weights are left out.
    """
    pairs = zip(results["members"], member_rows(results), strict=True)
    every = {row.title: member_history(member, folder) for member, row in pairs if not member.get("weights_of")}
    return {title: history for title, history in every.items() if history}


def training(results: Results, known: Mapping[str, History]) -> Chart | None:
    """Chart the curves of the members that are best on val; None where no history of two epochs is known."""
    rows = [row for row in member_rows(results) if row.title in known]
    rows.sort(key=lambda row: -(row.val_accuracy or 0.0))
    curves = {row.title: known[row.title] for row in rows if len(known[row.title].get("val_accuracy", ())) > 1}
    if not curves:
        return None
    train, val, _ = split_names(results)
    late = [title for title, history in curves.items() if _still_learning(history["val_accuracy"])]
    who = f"{'All' if len(late) == len(curves) else f'{len(late)} of'} {plural(len(curves), 'member')}"
    title = f"{who} were still improving on {val} in the last tenth of training"
    note = (
        f"Solid blue: {val}, dot: best epoch. Dashed orange: {train}, as seen in training (augmented). "
        "Accuracy and loss have one scale, epochs each member's own."
    )
    if "protocol" in results and results["protocol"]["folds"] > 1:
        note += " Means over the folds."
    if len(curves) > MOST:
        note += f" The best {MOST} of {len(curves)}."
    alt = f"Accuracy and loss by epoch of {plural(min(len(curves), MOST), 'member')}, on {train} and {val}."
    return Chart(title, alt, partial(_draw, title, note, dict(list(curves.items())[:MOST])))


def _still_learning(accuracy: list[float]) -> bool:
    """Tell whether the best epoch is among the last ones."""
    return accuracy.index(max(accuracy)) >= len(accuracy) - math.ceil(LATE * len(accuracy))


class Cell(NamedTuple):
    """A place on the sheet, in inches, for what goes from the first epoch to the last and from `low` to `high`."""

    left: float
    bottom: float
    width: float
    height: float
    epochs: int
    low: float
    high: float

    def across(self, epoch: float) -> float:
        return self.left + self.width * (epoch - 1 + 0.04 * self.epochs) / (1.08 * self.epochs - 1)

    def up(self, value: float) -> float:
        return self.bottom + self.height * (value - self.low) / (self.high - self.low)


def _draw(title: str, note: str, curves: Mapping[str, History]) -> Figure:
    losses = any("val_loss" in history for history in curves.values())
    cell_high = NAME_HIGH + ACCURACY_HIGH + (BETWEEN + LOSS_HIGH if losses else 0.0)
    lines = math.ceil(len(curves) / COLUMNS)
    figure = sheet(title, note, BELOW + lines * cell_high + (lines - 1) * ROW_GAP)
    # One panel for all: each of its own, with an axis and its ticks, takes as long as a chart
    whole = figure.get_size_inches()[1]
    axes = panel(figure, 0.0, 0.0, WIDTH, whole, xlim=(0.0, WIDTH), ylim=(0.0, whole))
    axes.set_axis_off()
    marks = Marks(axes)
    accuracies = _limits(curves, "accuracy", 100.0)
    width = (WIDTH - LEFT - MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    for index, (name, history) in enumerate(curves.items()):
        line, column = divmod(index, COLUMNS)
        left, bottom = LEFT + column * (width + GAP), BELOW + (lines - 1 - line) * (cell_high + ROW_GAP)
        epochs = len(history["val_accuracy"])
        if losses:
            cell = Cell(left, bottom, width, LOSS_HIGH, epochs, *_limits(curves, "loss", 1.0))
            _frame(axes, marks, cell, "loss" if column == 0 else None, lowest=True)
            _curves(axes, cell, history, "loss", 1.0)
            bottom += LOSS_HIGH + BETWEEN
        cell = Cell(left, bottom, width, ACCURACY_HIGH, epochs, *accuracies)
        _frame(axes, marks, cell, "accuracy, %" if column == 0 else None, lowest=not losses)
        _curves(axes, cell, history, "accuracy", 100.0)
        best = max(history["val_accuracy"])
        epoch = history["val_accuracy"].index(best) + 1
        marks.dot(cell.across(epoch), cell.up(100.0 * best), "o", color=BLUE, markersize=3.4)
        text, points = fitted(name, 72 * width, SMALL + 0.3, among=list(curves))
        axes.text(left, bottom + ACCURACY_HIGH + 3 * POINT, text, fontsize=points)
    marks.draw()
    return figure


def _curves(axes: Axes, cell: Cell, history: History, what: str, scale: float) -> None:
    from matplotlib.transforms import Bbox, TransformedBbox

    inside = TransformedBbox(Bbox.from_bounds(*cell[:4]), axes.transData)
    for split, colour, style in (("train", ORANGE, (0, (3, 1.2))), ("val", BLUE, "-")):
        heights = [cell.up(scale * value) for value in history.get(f"{split}_{what}", ())]
        places = [cell.across(epoch) for epoch in range(1, len(heights) + 1)]
        (curve,) = axes.plot(places, heights, color=colour, linestyle=style, linewidth=1.2)
        curve.set_clip_box(inside)


def _limits(curves: Mapping[str, History], what: str, scale: float) -> tuple[float, float]:
    """Return limits for all cells, without the highest hundredth of the losses (a first epoch)."""
    columns = (history.get(f"{split}_{what}", []) for history in curves.values() for split in ("train", "val"))
    values = sorted(value for value in chain.from_iterable(columns) if math.isfinite(value))
    low, high = scale * values[0], scale * values[-1 if what == "accuracy" else int(0.99 * (len(values) - 1))]
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _frame(axes: Axes, marks: Marks, cell: Cell, label: str | None, lowest: bool) -> None:
    """Draw the edges of a cell and lines at round values, and write these on its left where there is a label."""
    from matplotlib.ticker import MaxNLocator

    right, top = cell.left + cell.width, cell.bottom + cell.height
    edges = {"color": GREY, "linewidth": 0.8, "zorder": 2.5}
    marks.line([cell.left, cell.left], [cell.bottom, top], **edges)
    marks.line([cell.left, right], [cell.bottom, cell.bottom], **edges)
    values = [
        value for value in MaxNLocator(nbins=3).tick_values(cell.low, cell.high) if cell.low <= value <= cell.high
    ]
    digits = max((len(f"{value:g}".partition(".")[2]) for value in values), default=0)
    for value in values:
        height = cell.up(value)
        marks.line([cell.left, right], [height, height], color=PALE, linewidth=0.8, zorder=0.5, solid_capstyle="butt")
        if label is not None:
            axes.text(
                cell.left - 2 * POINT, height, f"{value:.{digits}f}", ha="right", va="center_baseline", fontsize=SMALL,
                color=GREY,
            )  # fmt: skip
    if label is not None:
        middle = cell.bottom + cell.height / 2
        axes.text(
            cell.left - 0.36, middle, label, ha="center", va="bottom", rotation=90, rotation_mode="anchor",
            fontsize=SMALL,
        )  # fmt: skip
    if lowest:
        below: dict[str, Any] = {"va": "top", "fontsize": SMALL, "color": GREY}
        axes.text(cell.across(1), cell.bottom - 2 * POINT, "1", ha="center", **below)
        axes.text(cell.across(cell.epochs), cell.bottom - 2 * POINT, f"epoch {cell.epochs}", ha="right", **below)

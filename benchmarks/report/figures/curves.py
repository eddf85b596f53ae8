"""Training curves, small multiples: a cell a member, accuracy above, loss below, all on the same scales."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report.epochs import History, member_history
from benchmarks.report.figures.style import (
    BLUE,
    INK,
    MARGIN,
    ORANGE,
    SMALL,
    WIDTH,
    Chart,
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


def _draw(title: str, note: str, curves: Mapping[str, History]) -> Figure:
    losses = any("val_loss" in history for history in curves.values())
    cell = NAME_HIGH + ACCURACY_HIGH + (BETWEEN + LOSS_HIGH if losses else 0.0)
    lines = math.ceil(len(curves) / COLUMNS)
    figure = sheet(title, note, BELOW + lines * cell + (lines - 1) * ROW_GAP)
    width = (WIDTH - LEFT - MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    for index, (name, history) in enumerate(curves.items()):
        line, column = divmod(index, COLUMNS)
        left, bottom = LEFT + column * (width + GAP), BELOW + (lines - 1 - line) * (cell + ROW_GAP)
        epochs = len(history["val_accuracy"])
        if losses:
            axes = panel(figure, left, bottom, width, LOSS_HIGH)
            _curves(axes, history, "loss", 1.0)
            _frame(axes, epochs, _limits(curves, "loss", 1.0), "loss" if column == 0 else None, lowest=True)
            bottom += LOSS_HIGH + BETWEEN
        axes = panel(figure, left, bottom, width, ACCURACY_HIGH)
        _curves(axes, history, "accuracy", 100.0)
        _best_epoch(axes, history["val_accuracy"])
        limits = _limits(curves, "accuracy", 100.0)
        _frame(axes, epochs, limits, "accuracy, %" if column == 0 else None, lowest=not losses)
        text, points = fitted(name, 72 * width, SMALL + 0.3)
        axes.set_title(text, fontsize=points, loc="left", pad=3, color=INK)
    return figure


def _curves(axes: Axes, history: History, what: str, scale: float) -> None:
    for split, colour, style in (("train", ORANGE, (0, (3, 1.2))), ("val", BLUE, "-")):
        values = [scale * value for value in history.get(f"{split}_{what}", ())]
        axes.plot(range(1, len(values) + 1), values, color=colour, linestyle=style, linewidth=1.2)


def _best_epoch(axes: Axes, accuracy: list[float]) -> None:
    best = max(accuracy)
    axes.plot([accuracy.index(best) + 1], [100.0 * best], "o", color=BLUE, markersize=3.4)


def _limits(curves: Mapping[str, History], what: str, scale: float) -> tuple[float, float]:
    """Return limits for all cells, without the highest hundredth of the losses (a first epoch)."""
    columns = (history.get(f"{split}_{what}", []) for history in curves.values() for split in ("train", "val"))
    values = sorted(value for value in chain.from_iterable(columns) if math.isfinite(value))
    low, high = scale * values[0], scale * values[-1 if what == "accuracy" else int(0.99 * (len(values) - 1))]
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _frame(axes: Axes, epochs: int, limits: tuple[float, float], label: str | None, lowest: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(xlim=(1 - 0.04 * epochs, 1.04 * epochs), ylim=limits, xticks=[1, epochs])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.grid(axis="y")
    axes.tick_params(labelleft=label is not None, labelbottom=lowest, pad=2)
    if label is not None:
        axes.set_ylabel(label, fontsize=SMALL)
        axes.yaxis.set_label_coords(-0.36 / axes.get_position().width / WIDTH, 0.5)
    if lowest:
        axes.set_xticklabels(["1", f"epoch {epochs}"])
        axes.get_xticklabels()[1].set_horizontalalignment("right")

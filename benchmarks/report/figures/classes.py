"""Which classes are taken for which, and how well each model knows each class: heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.figures.style import (
    GREY,
    MARGIN,
    SMALL,
    WIDTH,
    Chart,
    beside_cells,
    heat,
    panel,
    plural,
    sheet,
    shorten,
)
from benchmarks.results import Results, by_accuracy, headline_row, member_rows
from benchmarks.results.analyses import ShownModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 26
LEFT, GAP, CELL_HIGH, HEAD, FOOT = 0.86, 0.5, 0.29, 0.42, 0.62  # inches
NAMES, ROW_HIGH, COLUMN_LABELS = 2.35, 0.22, 0.3


def confusion(results: Results) -> Chart | None:
    """Chart counts and rates of the best single member and the headline ensemble; None where there are none."""
    shown = results["charts"]["shown"]
    if not shown:
        return None
    classes, last = results["classes"], shown[-1]
    title = _most_frequent(np.array(last["confusion"]), classes)
    split = results["splits"]["test"]
    note = f"{split['name']}, {split['size']:,} images. Rows: the given label; columns: the predicted class."
    alt = "Confusion matrices, counts and rates, of " + " and ".join(model["title"] for model in shown) + "."
    return Chart(title, alt, partial(_draw_confusion, title, note, classes, shown))


def _most_frequent(counts: np.ndarray, classes: Sequence[str]) -> str:
    """Say which confusion is the most frequent."""
    wrong = counts - np.diag(np.diag(counts))
    given, taken = divmod(int(wrong.argmax()), len(classes))
    number = int(wrong[given, taken])
    if number == 0:
        return "No image is taken for another class"
    share = 100 * number / counts[given].sum()
    return (
        f"{classes[given].capitalize()} is taken for {classes[taken]} most often: {plural(number, 'image')}, "
        f"{share:.0f} % of the class"
    )


def _kind(model: ShownModel) -> str:
    return "best single member" if model["kind"] == "member" else "headline ensemble"


def _rates(counts: np.ndarray) -> np.ndarray:
    """Return shares of each row; nan in rows without an image."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def _draw_confusion(title: str, note: str, classes: Sequence[str], shown: Sequence[ShownModel]) -> Figure:
    high = CELL_HIGH * len(classes)
    block = HEAD + high + FOOT
    figure = sheet(title, note, block * len(shown))
    width = (WIDTH - LEFT - GAP - MARGIN) / 2
    points = _points(len(classes))
    for index, model in enumerate(shown):
        bottom = (len(shown) - 1 - index) * block + FOOT
        counts = np.array(model["confusion"])
        panels = [panel(figure, left, bottom, width, high) for left in (LEFT, LEFT + width + GAP)]
        heat(panels[0], counts, [[f"{count}" for count in row] for row in counts.tolist()], 0.0, size=points)
        rates = _rates(counts)
        heat(panels[1], rates, [[_percent(rate) for rate in row] for row in rates.tolist()], 0.0, 1.0, points)
        for axes, what in zip(panels, ("images", "% of the row"), strict=True):
            beside_cells(axes, "bottom", classes, rotation=35, ha="right", rotation_mode="anchor")
            axes.set_title(what, fontsize=SMALL, color=GREY, loc="right", pad=3)
        beside_cells(panels[0], "left", classes)
        accuracy = np.trace(counts) / counts.sum()
        heading = f"{_kind(model).capitalize()}: {shorten(model['title'], 34)}, {100 * accuracy:.1f} %"
        figure.text(MARGIN / WIDTH, (bottom + high + 0.25) / figure.get_size_inches()[1], heading, weight="bold")
    return figure


def _percent(rate: float) -> str:
    return "" if np.isnan(rate) else f"{100 * rate:.0f}"


def _points(classes: int) -> float:
    """Return the size of numbers in cells."""
    return SMALL if classes < 9 else SMALL - 1


def class_scores(results: Results) -> Chart | None:
    """Chart F1 by class of the headline ensemble and of every member, best accuracy first."""
    scores = dict(zip(member_rows(results), (member["test_class_f1"] for member in results["members"]), strict=True))
    if not scores:
        return None
    rows, headline = by_accuracy(list(scores)), headline_row(results)
    if headline is not None:
        named = next(ensemble for ensemble in results["ensembles"] if ensemble["name"] == headline.name)
        scores[headline] = named["test_class_f1"]
        rows = [headline, *rows]
    values = np.array([scores[row] for row in rows], dtype=float)  # None becomes nan
    order = np.argsort(-np.nan_to_num(values[0], nan=-1.0), kind="stable")
    classes = [results["classes"][index] for index in order]
    title = _scores_title(values[:, order], classes)
    split = results["splits"]["test"]
    note = f"F1 in per cent on {split['name']}; classes from the easiest to the hardest for the first row."
    if len(rows) > MOST_ROWS:
        note += f" The best {MOST_ROWS} of {len(rows)} rows."
    names = [row.title for row in rows]
    alt = f"Heat map of F1 by class: {plural(len(rows), 'model')} and {plural(len(classes), 'class')[:-1]}es."
    emphasised = headline is not None
    picture = values[:MOST_ROWS, order]
    return Chart(title, alt, partial(_draw_scores, title, note, names[:MOST_ROWS], classes, picture, emphasised))


def _scores_title(values: np.ndarray, classes: Sequence[str]) -> str:
    known = np.nan_to_num(values, nan=0.5)
    hardest, easiest = known.argmin(axis=1), known.argmax(axis=1)
    parts = []
    for word, ends in (("easiest", easiest), ("hardest", hardest)):
        counts = np.bincount(ends, minlength=len(classes))
        most = int(counts.argmax())
        share = "every model" if counts[most] == len(values) else f"{counts[most]} of {len(values)} models"
        parts.append(f"{classes[most]} is the {word} class for {share}")
    return f"{parts[0][0].upper()}{parts[0][1:]}, {parts[1].replace('is the hardest class', 'the hardest')}"


def _draw_scores(
    title: str, note: str, names: Sequence[str], classes: Sequence[str], values: np.ndarray, emphasised: bool
) -> Figure:
    high = ROW_HIGH * len(names)
    figure = sheet(title, note, 0.1 + high + COLUMN_LABELS)
    axes = panel(figure, NAMES, 0.1, WIDTH - NAMES - MARGIN, high)
    low = float(np.nanmin(values))
    texts = [[_percent(value) for value in row] for row in values.tolist()]
    heat(axes, values, texts, low - 0.1, size=_points(len(classes)))
    beside_cells(axes, "top", classes)
    first, *_ = beside_cells(axes, "left", [shorten(name, 32, names) for name in names])
    if emphasised:
        first.set_fontweight("bold")
        axes.axhline(1, color="white", linewidth=4)
    return figure

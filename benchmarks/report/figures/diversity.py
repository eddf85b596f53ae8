"""How unlike the members err: a clustered heat map of all pairs, and the kappa-error diagram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.figures.label_placement import Label, place
from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    MARGIN,
    SMALL,
    WIDTH,
    Chart,
    bare,
    beside_cells,
    heat,
    panel,
    plural,
    sheet,
    shorten,
    signed,
)
from benchmarks.results import Results
from benchmarks.results.analyses import Pairs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST, MOST, MOST_NUMBERS = 3, 48, 16  # members; cells with numbers up to so many
IN_TITLE = 40  # characters of a name
NAMES, TREE, FOOT = 1.95, 0.75, 1.3  # inches
SLANT = 40  # degrees, of the names of columns


def disagreement(results: Results) -> Chart | None:
    """Chart the disagreement of all pairs on val, like members beside each other; None below three members."""
    members, pairs = _pairs(results)
    if not LEAST <= len(members) <= MOST:
        return None
    matrix = np.zeros((len(members), len(members)))
    matrix[pairs["first"], pairs["second"]] = pairs["disagreement"]
    matrix += matrix.T
    shares = np.array(pairs["disagreement"])
    alike, unlike = int(shares.argmin()), int(shares.argmax())
    short = [shorten(name, IN_TITLE, members) for name in members]
    title = f"{_pair(short, pairs, alike)} err most alike, {_pair(short, pairs, unlike)} least"
    val = results["splits"]["val"]["name"]
    note = (
        f"Per cent of {val} images that exactly one of two members gets right. The tree joins members that err alike."
    )
    if not _named_twice(len(members)):
        note += " Columns are in the order of the rows."
    alt = f"Clustered heat map: disagreement of all pairs of {plural(len(members), 'member')} on {val}."
    return Chart(title, alt, partial(_draw_heat, title, note, members, matrix))


def _pairs(results: Results) -> tuple[list[str], Pairs]:
    return results["diversity"]["members"], results["diversity"]["val"]["pairs"]


def _pair(members: Sequence[str], pairs: Pairs, index: int) -> str:
    return f"{members[pairs['first'][index]]} and {members[pairs['second'][index]]}"


def _width() -> float:
    """Return the width of the heat map, in inches."""
    return WIDTH - NAMES - TREE - MARGIN - 0.1


def _size(count: int) -> float:
    """Return the size of the names of so many members, in points."""
    return SMALL if count <= 24 else SMALL - 2.5


def _named_twice(count: int) -> bool:
    """Return whether there is room for the names of so many columns: slanted, a size's distance from each other."""
    return 72 * _width() / count * math.sin(math.radians(SLANT)) >= _size(count)


def _draw_heat(title: str, note: str, members: Sequence[str], matrix: np.ndarray) -> Figure:
    from matplotlib.collections import LineCollection
    from scipy.cluster.hierarchy import dendrogram, linkage
    from scipy.spatial.distance import squareform

    tree = dendrogram(linkage(squareform(matrix), "average", optimal_ordering=True), no_plot=True)
    order, count = tree["leaves"], len(members)
    width, foot = _width(), FOOT if _named_twice(count) else MARGIN
    high = min(0.36 * count, width)
    figure = sheet(title, note, foot + high + 0.05)
    axes = panel(figure, NAMES, foot, width, high)
    shown = 100 * matrix[np.ix_(order, order)]
    np.fill_diagonal(shown, np.nan)  # a member and itself
    texts = [[f"{value:.0f}" for value in row] for row in shown.tolist()] if count <= MOST_NUMBERS else None
    heat(axes, shown, texts, 0.0)
    size = _size(count)
    names = [shorten(members[index], 23 if size == SMALL else 34, members) for index in order]
    beside_cells(axes, "left", names, fontsize=size)
    if _named_twice(count):
        beside_cells(axes, "bottom", names, rotation=SLANT, ha="right", rotation_mode="anchor", fontsize=size)
    branches = panel(figure, NAMES + width + 0.04, foot, TREE, high)
    # dendrogram places leaf i at 10 i + 5; cells are one wide
    lines = [np.column_stack([d, np.array(i) / 10]) for i, d in zip(tree["icoord"], tree["dcoord"], strict=True)]
    branches.add_collection(LineCollection(lines, colors=GREY, linewidths=1.0))
    branches.set(ylim=(count, 0), xlim=(0, 1.04 * max(max(d) for d in tree["dcoord"]) or 1.0), xticks=[], yticks=[])
    bare(branches, "left", "bottom")
    return figure


def kappa_error(results: Results) -> Chart | None:
    """Chart pairs of members by how alike and how wrong they are (Margineantu and Dietterich 1997).

    None below three members.
    """
    members, pairs = _pairs(results)
    if len(members) < LEAST:
        return None
    kappa, error = np.array(pairs["kappa"], dtype=float), 100 * np.array(pairs["error"], dtype=float)
    used = _used(results)
    both = zip(pairs["first"], pairs["second"], strict=True)
    in_headline = np.array([{members[a], members[b]} <= used for a, b in both])
    val = results["splits"]["val"]["name"]
    spread = kappa.std() * error.std()
    tie = float(((kappa - kappa.mean()) * (error - error.mean())).mean() / spread) if spread > 0 else 0.0
    if tie < -0.3:
        title = "Pairs with few errors also agree most: accuracy and diversity pull apart"
    elif tie > 0.3:
        title = "Pairs that agree more also err more: here diversity comes with accuracy"
    else:
        title = "How much two members agree says little about how much they err"
    note = f"{val}; a dot a pair of members (correlation {signed(tie, 2)})."
    if in_headline.any():
        note += " Blue diamonds: both are in the headline ensemble. Best is the lower left corner."
    alt = f"Kappa-error diagram of {plural(len(kappa), 'pair')} of members on {val}."
    short = [shorten(name, 24, members) for name in members]
    labels = [_pair(short, pairs, index) for index in range(len(kappa))]
    return Chart(title, alt, partial(_draw_kappa, title, note, kappa, error, in_headline, labels))


def _used(results: Results) -> set[str]:
    """Return the members of the headline ensemble."""
    return {
        member
        for ensemble in results["ensembles"]
        if ensemble["name"] == results["headline"]
        for member in ensemble["members_used"]
    }


def _draw_kappa(
    title: str, note: str, kappa: np.ndarray, error: np.ndarray, in_headline: np.ndarray, labels: Sequence[str]
) -> Figure:
    figure = sheet(title, note, 3.9)
    axes = panel(figure, 0.55, 0.48, WIDTH - 0.55 - MARGIN - 0.1, 3.3)
    axes.scatter(kappa[~in_headline], error[~in_headline], s=20, color="#9a9a9a", linewidths=0, zorder=3)
    axes.scatter(kappa[in_headline], error[in_headline], s=30, color=BLUE, marker="D", linewidths=0, zorder=3)
    axes.set_xlabel("agreement of the two (Cohen's kappa): 1 is the same, 0 is as by chance", fontsize=SMALL + 0.5)
    axes.set_ylabel("mean error of the two, %", fontsize=SMALL + 0.5)
    axes.grid()
    axes.margins(0.1)
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    ends = dict.fromkeys(int(index) for index in (error.argmin(), kappa.argmin(), error.argmax()))
    wanted = [Label(kappa[index], error[index], labels[index], BLUE if in_headline[index] else GREY) for index in ends]
    place(axes, wanted, list(zip(kappa.tolist(), error.tolist(), strict=True)))
    return figure

"""Labels beside points of a scatter plot, each where it hides neither a point nor another label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.figures.style import GREY, INK, SMALL, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DISTANCES = (7.0, 12.0, 18.0, 26.0, 36.0, 50.0, 68.0)  # points from the middle of the dot
DIRECTIONS = 16
MARKER, CLEAR = 3.0, 6.0  # points: half of a dot, and what text keeps clear around one that is not its own
EDGE = 4.0  # points that text stays away from the axes' edge
FAR = 10.0  # points: a label beyond gets a line to its dot
CROSSED = 4  # times as bad as through a dot is a line through another label, which seems to belong to it
HEIGHT = 1.15  # of a line of text, in font sizes


@dataclass(frozen=True)
class Label:
    """A text for the point x, y of the data."""

    x: float
    y: float
    text: str
    colour: str = INK
    weight: str = "normal"
    optional: bool = False  # left out where there is no room beside its dot, rather than tied to it by a line


def place(
    axes: Axes,
    labels: Sequence[Label],
    avoid: Sequence[tuple[float, float]],
    lines: Sequence[Sequence[tuple[float, float]]] = (),
) -> None:
    """Write the labels, the first ones in the best places.

    `avoid` are points of the data that stay free of text, and `lines` run through such points.

    The limits of the axes must be final. Of the places around a point, nearest first, the one is taken that covers
    least: other labels, points, the world outside the axes.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    points_a_pixel = 72.0 / figure.dpi
    window = np.array(axes.get_window_extent().extents) * points_a_pixel + [EDGE, EDGE, -EDGE, -EDGE]
    dots = _pixels(axes, avoid) * points_a_pixel
    written = [_boxes(_along(_pixels(axes, line) * points_a_pixel), 1.0) for line in lines]
    texts = np.empty((0, 4))
    for label in labels:
        width = text_width(label.text, SMALL, label.weight)
        spot = _pixels(axes, [(label.x, label.y)])[0] * points_a_pixel
        own = np.hypot(*(dots - spot).T) < MARKER
        taken = np.concatenate([*written, _boxes(dots[own], MARKER), _boxes(dots[~own], CLEAR)])
        crossed = np.concatenate([*[texts] * CROSSED, _boxes(dots[~own], MARKER)])
        offset, box = _best(spot, np.array([width, HEIGHT * SMALL]), taken, crossed, window)
        far = float(np.hypot(*offset)) > FAR
        if far and label.optional:
            continue
        written += [box[None], _boxes(_to_dot(spot, offset), 1.0)] if far else [box[None]]
        texts = np.vstack([texts, box])
        line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            label.text, (label.x, label.y), ((box[:2] + box[2:]) / 2 - spot).tolist(), textcoords="offset points",
            ha="center", va="center_baseline", fontsize=SMALL, color=label.colour, weight=label.weight,
            arrowprops=line if far else None,
        )  # fmt: skip


def _pixels(axes: Axes, points: Sequence[tuple[float, float]]) -> np.ndarray:
    return np.asarray(axes.transData.transform(np.reshape(np.array(points, dtype=float), (-1, 2))))


def _boxes(spots: np.ndarray, half: float) -> np.ndarray:
    return np.concatenate([spots - half, spots + half], axis=1)


def _along(corners: np.ndarray) -> np.ndarray:
    """Return points of a line, two points apart."""
    runs = [np.linspace(a, b, 2 + int(np.hypot(*(b - a)) / 2)) for a, b in pairwise(corners)]
    return np.concatenate(runs) if runs else corners


def _to_dot(spot: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return points of the line from a label to its dot."""
    return _along(np.stack([spot + offset, spot]))


def _best(
    spot: np.ndarray, size: np.ndarray, taken: np.ndarray, crossed: np.ndarray, window: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the offset and the box (left, bottom, right, top) of the place that covers least.

    Boxes that are `taken` are covered by the label, those that are `crossed` by the line to its dot.
    """
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    towards = np.column_stack([np.cos(angles), np.sin(angles)])
    for distance in DISTANCES:
        offsets = distance * towards
        # The side of the text that faces the point stands at the offset, not its middle.
        middles = spot + offsets + 0.5 * size * towards
        boxes = np.hstack([middles - size / 2, middles + size / 2])
        covered = _overlaps(boxes, taken) + 3.0 * _outside(boxes, window)
        if distance > FAR:
            covered += [_overlaps(_boxes(_to_dot(spot, offset), 1.0), crossed).sum() for offset in offsets]
        for place in zip(covered.tolist(), offsets, boxes, strict=True):
            if best is None or place[0] < best[0] - 1e-6:
                best = place
        if best is not None and best[0] <= 0:
            break
    assert best is not None
    return best[1], best[2]


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how much of each box lies in the others."""
    sides = np.minimum(boxes[:, None, 2:], others[:, 2:]) - np.maximum(boxes[:, None, :2], others[:, :2])
    np.maximum(sides, 0.0, out=sides)
    return np.asarray((sides[..., 0] * sides[..., 1]).sum(axis=1))


def _outside(boxes: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return how much of each box lies outside the window."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - _overlaps(boxes, window[None])

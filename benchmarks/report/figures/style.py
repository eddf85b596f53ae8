"""One style for all figures: colours, type, sheets with a title, and files that are the same byte for byte.

Colours are from the Okabe-Ito palette (safe for colour-blind readers) and never the only sign of a difference, for
print in grey. Sizes are chosen for 7.2 inches in print and 600 pixels on a screen. matplotlib is imported where it
draws.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.files import write_atomic
from benchmarks.report.figures.glyphs import families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WIDTH, DPI = 7.2, 160  # inches; 1,152 pixels
MARGIN = 0.09  # inches, left of titles and of names
INK, GREY, PALE, BLUE, ORANGE = "#222222", "#6b6b6b", "#e9e9e9", "#0072B2", "#D55E00"
GREEN, PINK, YELLOW = "#009E73", "#CC79A7", "#F0E442"
TEXT, SMALL, TITLE, LEAST = 8.8, 8.0, 10.5, 6.4  # points; text is made no smaller than the last, about, to fit
MEASURED_AT = 100.0  # points
READABLE = 0.408  # luminance above which dark text reads better than white
LINE, TITLE_LINE = 0.15, 0.19  # inches
SUFFIXES = ("png", "svg")
STYLE: dict[Any, Any] = {
    "font.size": TEXT,
    "text.parse_math": False,  # names of classes, folders and members may hold dollars
    "text.hinting": "none",  # as widths are measured, evenly spaced, and drawn in less time
    "svg.hashsalt": "benchmark",  # else element ids are random and no two files are the same
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.titley": 1.0,
    "axes.spines.right": False,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
}


@dataclass(frozen=True)
class Chart:
    """A figure that can be drawn: its title says in plain words what is seen, `alt` says it to who cannot see it."""

    title: str
    alt: str
    draw: Callable[[], Figure]


@contextmanager
def styled() -> Iterator[None]:
    """Set the style of all figures, whatever a reader's own matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, "font.family": list(families())})
        yield


def save(chart: Chart, stem: Path) -> list[Path]:
    """Draw the chart once and write stem.png and stem.svg, byte-identical for the same results; return the paths."""
    from benchmarks.report.figures import lettering

    with styled():
        figure = chart.draw()
        contents = (lettering.png(figure, DPI), lettering.svg(figure))
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in SUFFIXES]
    for path, content in zip(paths, contents, strict=True):
        write_atomic(path, content, rebuilt=True)
    return paths


def sheet(title: str, note: str, height: float) -> Figure:
    """Return an empty figure with its title and a note in grey; `height` inches are free below them."""
    from matplotlib.figure import Figure

    titles, notes = wrapped(title, TITLE, "bold", even=True), wrapped(note, SMALL, "normal")
    whole = height + TITLE_LINE * len(titles) + LINE * len(notes) + 0.18
    figure = Figure(figsize=(WIDTH, whole))
    across, down = MARGIN / WIDTH, 0.1
    for lines, step, style in (
        (titles, TITLE_LINE, {"fontsize": TITLE, "weight": "bold"}),
        (notes, LINE, {"fontsize": SMALL, "color": GREY}),
    ):
        for line in lines:
            figure.text(across, 1.0 - down / whole, line, va="top", **style)  # type: ignore[arg-type]
            down += step
        down += 0.02
    return figure


def text_width(text: str, size: float, weight: str) -> float:
    """Return the points that a line of text takes."""
    return _width(text, weight) * (size / MEASURED_AT)


@lru_cache(maxsize=4096)
def _width(text: str, weight: str) -> float:
    """Return the points that a line takes at MEASURED_AT: widths of outlines, which are not hinted, grow as sizes."""
    from matplotlib.font_manager import FontProperties

    from benchmarks.report.figures.lettering import outlines

    font = FontProperties(family=list(families()), size=MEASURED_AT, weight=weight)
    return outlines().get_text_width_height_descent(text, font, False)[0]


def fitted(
    text: str, room: float, size: float, weight: str = "normal", among: Sequence[str] = (), least: float | None = None
) -> tuple[str, float]:
    """Return a name, and the size, of at `least` LEAST, at which it takes no more than `room` points; cut where that is
    too small, to what no name `among` which it stands is cut to."""
    whole, least = text, LEAST if least is None else least
    while text_width(text, size, weight) > room:
        if size > least:
            size -= 0.3
        else:
            text = shorten(whole, len(text) - 1, among)
    return text, size


def wrapped(text: str, size: float, weight: str, even: bool = False) -> list[str]:
    """Wrap text into the fewest lines that fit a sheet; where `even`, about equally long. A word that does not fit a
    line is cut."""
    room = 72.0 * (WIDTH - 3 * MARGIN)
    cut = [fitted(word, room, size, weight, text.split(), least=size)[0] for word in text.split()]
    words = [(word, text_width(word + " ", size, weight)) for word in cut]
    fewest = len(_filled(words, room))
    while even and fewest > 1 and len(_filled(words, room - 8.0)) == fewest:
        room -= 8.0
    return _filled(words, room)


def _filled(words: Sequence[tuple[str, float]], room: float) -> list[str]:
    lines: list[list[str]] = []
    left = 0.0
    for word, width in words:
        if not lines or width > left:
            lines.append([])
            left = room
        lines[-1].append(word)
        left -= width
    return [" ".join(line) for line in lines]


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, **options: Any) -> Axes:
    """Add axes to a sheet, all in inches from its lower left corner."""
    whole, high = figure.get_size_inches()
    axes = figure.add_axes((left / whole, bottom / high, width / whole, height / high), **options)
    axes.set_title("")  # at its height by axes.titley: else one is sought for it, even where there is no title
    return axes


class Marks:
    """Lines, and dots over them, that are drawn as one artist a style: hundreds of artists take seconds."""

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self._lines: dict[Any, tuple[list[float], list[float]]] = {}
        self._dots: dict[Any, tuple[list[float], list[float]]] = {}

    def line(self, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
        """Add a line that touches no other of its style."""
        every = self._lines.setdefault(tuple(style.items()), ([], []))
        for values, more in zip(every, (x, y), strict=True):
            values += [*more, np.nan]

    def dot(self, x: float, y: float, marker: str, **style: Any) -> None:
        every = self._dots.setdefault((("marker", marker), *style.items()), ([], []))
        for values, value in zip(every, (x, y), strict=True):
            values.append(value)

    def draw(self) -> None:
        for style, places in self._lines.items():
            self._axes.plot(*places, **dict(style))
        for style, places in self._dots.items():
            self._axes.plot(*places, **dict(style), linestyle="none")


def bare(axes: Axes, *spines: str) -> None:
    """Hide the named spines."""
    axes.spines[list(spines)].set_visible(False)


def beside(axes: Axes, inches: float, y: float, text: str, **style: Any) -> None:
    """Write text in a column beside the axes: `inches` from the sheet's left edge, at `y` of the data."""
    box, whole = axes.get_position(), axes.figure.get_size_inches()[0]  # type: ignore[union-attr]
    options = {"va": "center", **style}
    axes.text((inches / whole - box.x0) / box.width, y, text, transform=axes.get_yaxis_transform(), **options)


def blues() -> Colormap:
    """Return white to blue: for shares and scores, readable in grey."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blues", ["#eff1f3", BLUE])


def heat(
    axes: Axes,
    values: np.ndarray,
    texts: Sequence[Sequence[str]] | None,
    low: float | None = None,
    high: float | None = None,
    size: float = SMALL,
) -> None:
    """Draw a heat map of `values [rows, columns]`, the first row on top, with a text in every cell, or with none.

    Colours go from `low` to `high`, from the least to the greatest value where these are not given; nan stays empty.
    """
    known = np.ma.masked_invalid(values)
    lines = 0.0 if texts is None else 0.6
    mesh = axes.pcolormesh(known, cmap=blues(), vmin=low, vmax=high, linewidths=lines, edgecolors="white")
    axes.set(xlim=(0, values.shape[1]), ylim=(values.shape[0], 0), xticks=[], yticks=[])
    bare(axes, "left", "bottom")
    colours = mesh.to_rgba(known)
    for row, line in enumerate(texts or ()):
        for column, text in enumerate(line):
            if np.isfinite(values[row, column]):
                ink = INK if luminance(colours[row, column]) > READABLE else "white"
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=ink)


def beside_cells(axes: Axes, side: str, names: Sequence[str], **style: Any) -> list[Text]:
    """Name the columns of a heat map at its "top" or "bottom", or its rows at its "left".

    Texts take a third of the time of ticks with labels.
    """
    across = side != "left"
    edge = {
        "left": axes.get_yaxis_text1_transform, "bottom": axes.get_xaxis_text1_transform,
        "top": axes.get_xaxis_text2_transform,
    }[side]  # fmt: skip
    transform, va, ha = edge(2.0)  # points between the cells and the names
    options = {"transform": transform, "va": va, "ha": ha, "fontsize": SMALL, **style}
    height = 1.0 if side == "top" else 0.0
    places = [(place + 0.5, height) if across else (0.0, place + 0.5) for place in range(len(names))]
    return [axes.text(*place, name, **options) for place, name in zip(places, names, strict=True)]


def luminance(colour: Sequence[float]) -> float:
    """Return the relative luminance, 0 to 1, of red, green and blue from 0 to 1 (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def shorten(text: str, length: int, among: Sequence[str] = ()) -> str:
    """Cut text to `length` characters; what tells members apart stays: the seed at the end of a name, its last part
    where that leaves half of the room to the first ones, and the part in which it differs from another one, `among`
    which it stands, that would be cut to the same."""
    return _all_cut(tuple(among) if text in among else (text, *among), length)[text]


@lru_cache(maxsize=1024)
def _all_cut(texts: tuple[str, ...], length: int) -> dict[str, str]:
    """Cut texts, each to what none before it is cut to, where that can be."""
    alike: dict[str, list[str]] = {}
    for text in sorted(set(texts)):
        alike.setdefault(_cut(text, length), []).append(text)
    found = {group[0]: short for short, group in alike.items() if len(group) == 1}
    for short, rivals in alike.items():
        for text in rivals if len(rivals) > 1 else ():
            parts = sorted({text.rfind("@", 0, _alike(text, other) + 1) for other in rivals if other != text})
            cuts = [_cut(text, length, part) for part in parts]
            found[text] = next((cut for cut in cuts if cut not in found.values()), short)
    return found


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def _cut(text: str, length: int, apart: int = -1) -> str:
    """Cut text; where `apart` is given, what begins there has half of the room that the text's end leaves."""
    if len(text) <= length:
        return text
    seed = re.search(r" \(seed \d+\)$", text)
    head = text[: seed.start()] if seed else text
    tail = seed.group().replace("(seed ", "s").replace(")", "") if seed else ""
    if len(head) + len(tail) <= length:
        return head + tail
    last = head[head.rfind("@") :] if "@" in head else ""
    if len(last) + len(tail) <= length / 2:
        head, tail = head.removesuffix(last), last + tail
    room = length - len(tail) - 1
    if room // 2 < apart < len(head):
        rest = head[apart:]
        begin = head[: max(room // 2, room - len(rest)) - 1].rstrip(" _,@")
        return f"{begin}…{_ended(rest, room - len(begin) - 1)}{tail}"
    return f"{head[:room].rstrip(' _,@')}…{tail}"


def _ended(text: str, room: int) -> str:
    return text if len(text) <= room + 1 else text[:room].rstrip(" _,@-") + "…"


def signed(value: float, digits: int) -> str:
    """Print 1.5 as +1.5, and a minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def joined(names: Sequence[str]) -> str:
    """Join names as a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plural(number: int, noun: str) -> str:
    """Print 1 member, 2 members."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")

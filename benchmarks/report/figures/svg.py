"""A writer of SVG for what the figures hold: paths, markers, text as outlines, and rectangles that they are cut to.

Lengths are pixels of the PNG. matplotlib's own takes three times as long: it writes a transformation for every letter.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Transform

from benchmarks.report.figures.text_lines import OUTLINES, UNIT, Files, line

LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
CAPS = {"projecting": "square"}  # an end of lines that has another name in SVG
DOWN = Affine2D().scale(1.0, -1.0)


class Svg(RendererBase):
    """Collects elements; `document` is the file."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__()
        self.width, self.height, self.point = width, height, dpi / 72
        self._down = DOWN.frozen().translate(0.0, height)
        self._shown: list[str] = []
        self._glyphs: set[str] = set()
        self._definitions: dict[tuple[str, str], str] = {}  # the ids of elements by their tags and the rest of them

    def document(self) -> bytes:
        """Return the file with all that was drawn."""
        width, height = self.width / self.point, self.height / self.point
        return "\n".join(
            [
                '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
                f'width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {self.width:g} {self.height:g}" '
                'stroke-linejoin="round">',
                "<defs>",
                *(f'<path id="{glyph}" d="{_glyph(glyph)}"/>' for glyph in sorted(self._glyphs)),
                *(f'<{tag} id="{name}"{rest}' for (tag, rest), name in self._definitions.items()),
                "</defs>",
                *self._shown,
                "</svg>\n",
            ]
        ).encode()

    def draw_path(self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None) -> None:
        clip = (0.0, 0.0, self.width, self.height) if rgbFace is None else None
        simplify = path.should_simplify and rgbFace is None
        seen = path.cleaned(transform + self._down, remove_nans=True, clip=clip, simplify=simplify, curves=True)
        self._show(gc, f'<path d="{_data(seen)}"{self._style(gc, rgbFace)}/>')

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        shape = marker_path.cleaned(marker_trans + DOWN, simplify=False, curves=True)
        name = self._defined("path", f' d="{_data(shape)}"{self._style(gc, rgbFace)}/>')
        spots = [corners[-2:] for corners, _ in path.iter_segments(trans + self._down, simplify=False)]
        uses = [f'<use xlink:href="#{name}" x="{x:g}" y="{y:g}"/>' for x, y in np.round(spots, 2).tolist()]
        self._show(gc, "".join(uses))

    def write(
        self, gc: GraphicsContextBase, start: tuple[float, float], text: str, files: Files, pixels: float, angle: float
    ) -> None:
        """Draw a line of text, so many pixels large."""
        self._glyphs.update(line(text, files).glyphs)
        turned = f" rotate({-angle:g})" if angle else ""
        x, y = start[0], self.height - start[1]
        place = f"translate({x:.2f} {y:.2f}){turned} scale({pixels / UNIT:.5g} {-pixels / UNIT:.5g})"
        self._show(gc, f'<g transform="{place}"{_fill(gc.get_rgb(), gc)}>{_uses(text, files)}</g>')

    def _show(self, gc: GraphicsContextBase, element: str) -> None:
        clip = gc.get_clip_rectangle()
        if clip is not None:
            x, y, width, height = clip.bounds
            top = self.height - y - height
            area = f'<rect x="{x:.6g}" y="{top:.6g}" width="{width:.6g}" height="{height:.6g}"/>'
            element = f'<g clip-path="url(#{self._defined("clipPath", f">{area}</clipPath>")})">{element}</g>'
        self._shown.append(element)

    def _style(self, gc: GraphicsContextBase, face: Any) -> str:
        """Return the attributes of an element: its fill, and its line where it has one."""
        width = gc.get_linewidth()
        if not width:
            return _fill(face, gc)
        parts = [_fill(face, gc), f' stroke-width="{self.point * width:.4g}"', _paint("stroke", gc.get_rgb(), gc)]
        offset, dashes = gc.get_dashes()
        if dashes is not None:
            lengths = " ".join(f"{self.point * length:.4g}" for length in np.asarray(dashes).tolist())
            parts.append(f' stroke-dasharray="{lengths}" stroke-dashoffset="{self.point * offset:.4g}"')
        if gc.get_joinstyle() != "round":
            parts.append(f' stroke-linejoin="{gc.get_joinstyle()}"')
        if gc.get_capstyle() != "butt":
            parts.append(f' stroke-linecap="{CAPS.get(gc.get_capstyle(), gc.get_capstyle())}"')
        return "".join(parts)

    def _defined(self, tag: str, rest: str) -> str:
        """Return the id of an element that is not shown where it stands."""
        return self._definitions.setdefault((tag, rest), f"d{len(self._definitions)}")


def _data(path: Path) -> str:
    """Return a path as SVG writes it, to a hundredth of a pixel."""
    parts: list[str] = []
    before = None
    corners = np.round(np.asarray(path.vertices, dtype=float), 2).tolist()
    for (x, y), code in zip(corners, np.asarray(path.codes).tolist(), strict=True):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
        elif code != Path.STOP:
            letter = LETTERS[code] if code != before or code == Path.MOVETO else " "
            parts.append(f"{letter}{x:g} {y:g}")
        before = code
    return "".join(parts)


@cache
def _glyph(name: str) -> str:
    return _data(Path(*OUTLINES[name]))


@cache
def _uses(text: str, files: Files) -> str:
    shown = line(text, files)
    places = zip(shown.glyphs, shown.x, shown.y, strict=True)
    return "".join(
        f'<use xlink:href="#{glyph}" x="{x:.2f}"' + (f' y="{-y:.2f}"/>' if y else "/>") for glyph, x, y in places
    )


def _fill(face: Any, gc: GraphicsContextBase) -> str:
    return ' fill="none"' if face is None else _paint("fill", face, gc)


def _paint(what: str, colour: Any, gc: GraphicsContextBase) -> str:
    """Return a colour and, where it lets through what is below, how little of that."""
    red, green, blue, *rest = (float(part) for part in colour)
    opacity = gc.get_alpha() if gc.get_forced_alpha() else rest[0] if rest else 1.0
    return f' {what}="{_hex(red, green, blue)}"' + (f' {what}-opacity="{opacity:.4g}"' if opacity != 1 else "")


@cache
def _hex(red: float, green: float, blue: float) -> str:
    return to_hex((red, green, blue))

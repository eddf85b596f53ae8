"""Lines of text as outlines of glyphs, each laid out once: for its width, for the pixels of a PNG and for an SVG.

Layout is most of what text costs; a figure asks for that of a line several times, and figures share names.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import get_hinting_flag
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

UNIT = text_to_path.FONT_SCALE  # points: the size of glyphs in a Line
LIGATURES = {"ffi": "\ufb03", "ffl": "\ufb04", "ff": "\ufb00", "fi": "\ufb01", "fl": "\ufb02"}  # fonts may join these

Outline = tuple[np.ndarray, np.ndarray]
"""The corners of a glyph and what they are to a Path."""

OUTLINES: dict[str, Outline] = {}
"""The glyphs so far, at size UNIT without hinting, by the names that matplotlib gives them."""

Files = tuple[str, ...]
"""The files of a font: after the first those that are asked for what the ones before them lack."""


class Line(NamedTuple):
    """The glyphs of a text as they are seen from its start: their names, and their places at size UNIT without hinting.

    `letters` are the characters that they show; empty where glyphs depend on their neighbours. `width` is for each
    point of the text's size.
    """

    glyphs: tuple[str, ...]
    letters: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    width: float


class Box(NamedTuple):
    """The pixels that a text takes where matplotlib draws pixels, and where its glyphs stand there."""

    width: float
    height: float
    descent: float
    x: list[float]


def font_files(font: FontProperties) -> Files:
    """Return what matplotlib finds for each family of a font."""
    return _files(tuple(font.get_family()), font.get_style(), font.get_weight())


@cache
def _files(families: tuple[str, ...], style: Literal["normal", "italic", "oblique"], weight: str | int) -> Files:
    return tuple(findfont(FontProperties(family=family, style=style, weight=weight)) for family in families)


def _sized(files: Files, size: float, dpi: float) -> FT2Font:
    font = get_font(files)
    font.clear()
    font.set_size(size, dpi)
    return font


@cache
def line(text: str, files: Files) -> Line:
    """Lay out a text; the outlines of its glyphs are in OUTLINES."""
    font = _sized(files, UNIT, text_to_path.DPI)
    places = np.asarray(font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)) / 64
    width = font.get_width_height()[0] / 64 / UNIT
    letters = tuple(text if len(text) == len(places) else _joined(text))
    if text.isascii() and len(letters) == len(places):
        glyphs = tuple(glyph for letter in letters for glyph, *_ in _shaped(letter, files))
        return Line(glyphs, letters, tuple(places[:, 0].tolist()), (0.0,) * len(letters), width)
    found = _shaped(text, files)
    letters = tuple(_joined(text))
    alone = tuple(glyph for letter in letters for glyph, *_ in _shaped(letter, files))
    glyphs, x, y = zip(*found, strict=True) if found else ((), (), ())
    return Line(glyphs, letters if alone == glyphs else ("",) * len(glyphs), x, y, width)


@cache
def _shaped(text: str, files: Files) -> list[tuple[str, float, float]]:
    """Return the names of the glyphs that show a text, and their places."""
    found, _, _ = text_to_path.get_glyphs_with_font(_sized(files, UNIT, text_to_path.DPI), text, glyph_map=OUTLINES)
    return [(glyph, x, y) for glyph, x, y, _ in found]


def _joined(text: str) -> str:
    for letters, ligature in LIGATURES.items():
        text = text.replace(letters, ligature)
    return text


@cache
def box(text: str, files: Files, size: float, dpi: float) -> Box:
    """Lay out a text for pixels."""
    font = _sized(files, size, dpi)
    places = np.asarray(font.set_text(text, 0.0, flags=get_hinting_flag())) / 64
    width, height = font.get_width_height()
    return Box(width / 64, height / 64, font.get_descent() / 64, places[:, 0].tolist())


@cache
def outline(text: str, files: Files, size: float, dpi: float) -> Path:
    """Return a text as one path in pixels: glyphs as hinting shapes them, where the box has them."""
    glyphs, letters, across, up, _ = line(text, files)
    scale = size * dpi / 72 / UNIT
    starts = box(text, files, size, dpi).x
    if len(starts) != len(glyphs):
        starts = [scale * x for x in across]
    shapes = zip(glyphs, letters, strict=True)
    parts = [_hinted(letter, files[0], size, dpi) or _scaled(glyph, scale) for glyph, letter in shapes]
    corners = [np.add(part, (x, scale * y)) for (part, _), x, y in zip(parts, starts, up, strict=True) if len(part)]
    codes = [part for _, part in parts if len(part)]
    return Path(np.concatenate(corners), np.concatenate(codes)) if corners else Path(np.empty((0, 2)))


@cache
def _hinted(letter: str, file: str, size: float, dpi: float) -> Outline | None:
    """Return the outline of a character in pixels; None where the font does not have it."""
    font = get_font(file)
    if not letter or not font.get_char_index(ord(letter)):
        return None
    font.set_size(size, dpi)
    font.load_char(ord(letter), flags=get_hinting_flag())
    return font.get_path()


def _scaled(glyph: str, scale: float) -> Outline:
    corners, codes = OUTLINES[glyph]
    return scale * corners, codes

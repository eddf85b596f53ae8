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
    """The glyphs of a text as they are seen from its start, and where they stand: at size UNIT, without hinting."""

    glyphs: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]


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
def unit_width(text: str, files: Files) -> float:
    """Return the width of a text for each point of its size, without hinting."""
    font = _sized(files, UNIT, text_to_path.DPI)
    font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    return font.get_width_height()[0] / 64 / UNIT


@cache
def line(text: str, files: Files) -> Line:
    """Lay out a text; the outlines of its glyphs are in OUTLINES."""
    found, _, _ = text_to_path.get_glyphs_with_font(_sized(files, UNIT, text_to_path.DPI), text, glyph_map=OUTLINES)
    return Line(*zip(*(glyph[:3] for glyph in found), strict=True)) if found else Line((), (), ())


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
    glyphs, across, up = line(text, files)
    scale = size * dpi / 72 / UNIT
    starts = box(text, files, size, dpi).x
    if len(starts) != len(glyphs):
        starts = [scale * x for x in across]
    shapes = zip(glyphs, _letters(text, files), strict=True)
    parts = [_hinted(letter, files[0], size, dpi) or _scaled(glyph, scale) for glyph, letter in shapes]
    corners = [np.add(part, (x, scale * y)) for (part, _), x, y in zip(parts, starts, up, strict=True) if len(part)]
    codes = [part for _, part in parts if len(part)]
    return Path(np.concatenate(corners), np.concatenate(codes)) if corners else Path(np.empty((0, 2)))


def _letters(text: str, files: Files) -> list[str]:
    """Return the character that each glyph of a text shows; empty ones where glyphs depend on their neighbours."""
    glyphs = line(text, files).glyphs
    for joined, ligature in LIGATURES.items():
        text = text.replace(joined, ligature)
    alone = tuple(glyph for letter in text for glyph in line(letter, files).glyphs)
    return list(text) if alone == glyphs and len(text) == len(glyphs) else [""] * len(glyphs)


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

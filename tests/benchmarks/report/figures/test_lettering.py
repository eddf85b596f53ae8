"""Texts of the figures: as matplotlib draws them, and shaped once."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.textpath import TextToPath
from PIL import Image

from benchmarks.report.figures import lettering
from benchmarks.report.figures.style import styled

TEXTS = (
    "vgg_fer@muon@long", "\N{MINUS SIGN}12.5", "AVATAR To fi ffl", "Überraschung", "$cost$ {x}", "two\nlines",
    " padded ", "   ",
)  # fmt: skip
DPI = 160


def drawn(texts: tuple[str, ...] = TEXTS, size: float = 8.0, **style: Any) -> Figure:
    """A sheet with a text a line, some of them slanted, and axes with ticks."""
    figure = Figure(figsize=(4.0, 4.0))
    axes = figure.add_axes((0.6, 0.1, 0.35, 0.3))
    axes.plot([-1.0, 1.0], [0.0, 2.0])
    for place, text in enumerate(texts):
        figure.text(0.5, 0.08 + 0.11 * place, text, fontsize=size, rotation=20 * (place % 2), **style)
    return figure


def grey(png: bytes) -> np.ndarray:
    return 255.0 - np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)


@pytest.mark.parametrize("style", [{}, {"weight": "bold", "color": "#0072B2"}, {"ha": "right", "alpha": 0.5}])
def test_an_svg_is_what_matplotlib_writes(style: dict[str, Any]):
    with styled():
        theirs = io.BytesIO()
        drawn(**style).savefig(theirs, format="svg", dpi=DPI, metadata=lettering.SVG_METADATA)
        for _ in range(2):
            assert lettering.svg(drawn(**style)) == theirs.getvalue()
            lettering.png(drawn(**style), DPI)  # before an SVG and after it


@pytest.mark.parametrize("style", [{}, {"weight": "bold"}, {"ha": "right"}])
def test_a_png_has_the_texts_where_matplotlib_has_them(style: dict[str, Any]):
    with styled():
        theirs = io.BytesIO()
        drawn(**style).savefig(theirs, format="png", dpi=DPI)
        expected, ours = grey(theirs.getvalue()), grey(lettering.png(drawn(**style), DPI))
    assert ours.shape == expected.shape
    assert ours.sum() == pytest.approx(expected.sum(), rel=0.02)
    moved = [np.abs(np.roll(expected, 1, axis) - expected).sum() for axis in (0, 1)]
    # Before 3.11 matplotlib began letters at whole pixels.
    assert np.abs(ours - expected).sum() < 0.7 * min(moved), "the texts are as far away as if moved by a pixel"


def test_a_text_is_shaped_once_for_all_sizes_and_formats(monkeypatch: pytest.MonkeyPatch):
    shaped, measured = [], []
    shape, measure = TextToPath.get_glyphs_with_font, TextToPath.get_text_width_height_descent

    def shaping(self: Any, font: Any, s: str, *more: Any, **options: Any) -> Any:
        shaped.append(s)
        return shape(self, font, s, *more, **options)

    def measuring(self: Any, s: str, *more: Any) -> Any:
        measured.append(s)
        return measure(self, s, *more)

    monkeypatch.setattr(TextToPath, "get_glyphs_with_font", shaping)
    monkeypatch.setattr(TextToPath, "get_text_width_height_descent", measuring)
    lettering.outlines.cache_clear()
    with styled():
        for size in (7.0, 8.0):
            figure = drawn(("one", "another", "one"), size)
            lettering.png(figure, DPI)
            lettering.svg(figure)
        assert sorted(shaped.count(text) for text in ("one", "another")) == [1, 1]
        assert sorted(measured.count(text) for text in ("one", "another")) == [1, 1]
        lettering.svg(drawn(("one", "another"), weight="bold"))
        assert [shaped.count(text) for text in ("one", "another")] == [2, 2], "another weight is another outline"

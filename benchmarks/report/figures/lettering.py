"""Text of the figures: outlines that are shaped once, whatever the size, the resolution and the format.

matplotlib shapes a text anew for its size, for its place and for each format, and renders letter by letter, which is
most of what a sheet full of names and numbers costs. Widths of outlines that are not hinted grow as sizes, so that all
can be had from one: a PNG's texts are filled as one path each, an SVG's are what matplotlib itself writes.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.path import Path
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Affine2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 72.0  # an inch
SVG_METADATA = dict.fromkeys(("Date", "Creator"))  # dates and versions would change the bytes from machine to machine
PNG_OPTIONS = {"compress_level": 2}  # a quarter of the time, as small


class Outlines(TextToPath):  # type: ignore[misc, unused-ignore]
    """Texts at 100 points, as matplotlib shapes them, and kept."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[Any, tuple[float, float, float]] = {}
        self._glyphs: dict[Any, tuple[Any, Any, Any]] = {}
        self._paths: dict[Any, Path] = {}

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        """Return the points that a text takes."""
        key, scale = (_face(prop), s), prop.get_size_in_points() / self.FONT_SCALE
        if key not in self._sizes:
            large = prop.copy()
            large.set_size(self.FONT_SCALE)
            self._sizes[key] = super().get_text_width_height_descent(s, large, ismath)
        width, height, descent = self._sizes[key]
        return width * scale, height * scale, descent * scale

    def get_glyphs_with_font(
        self, font: Any, s: str, glyph_map: Any = None, return_new_glyphs_only: bool = False, **options: Any
    ) -> tuple[Any, Any, Any]:
        """Return the places of the letters, and the outlines of all, or of those that `glyph_map` lacks."""
        if (font, s) not in self._glyphs:
            font.set_size(self.FONT_SCALE, self.DPI)
            self._glyphs[font, s] = super().get_glyphs_with_font(font, s, **options)
        places, outlines, boxes = self._glyphs[font, s]
        known = {} if glyph_map is None else glyph_map
        new = {name: outline for name, outline in outlines.items() if name not in known}
        if return_new_glyphs_only:
            return places, new, boxes
        known.update(new)
        return places, known, boxes

    def path(self, text: str, prop: Any) -> Path:
        """Return the outline of a text."""
        key = _face(prop), text
        if key not in self._paths:
            vertices, codes = self.get_text_path(prop, text)
            self._paths[key] = Path(vertices, codes)
        return self._paths[key]


def _face(prop: Any) -> tuple[Any, ...]:
    """Return what of a text's properties decides its outline, but for the size."""
    return (*prop.get_family(), prop.get_style(), prop.get_weight(), prop.get_stretch(), prop.get_file())


@cache
def outlines() -> Outlines:
    """Return those of this process."""
    return Outlines()


class Agg(RendererAgg):  # type: ignore[misc, unused-ignore]
    """Pixels, with texts filled as outlines."""

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:
        """Fill a text whose baseline begins at `x`, and at `y` from the top, in pixels."""
        size = self.points_to_pixels(prop.get_size_in_points()) / Outlines.FONT_SCALE
        place = Affine2D().scale(size).rotate_deg(angle).translate(x, self.height - y)
        gc.set_linewidth(0.0)
        gc.set_snap(False)
        self.draw_path(gc, outlines().path(s, prop), place, gc.get_rgb())

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        """Return the pixels that a text takes."""
        width, height, descent = outlines().get_text_width_height_descent(s, prop, ismath)
        return self.points_to_pixels(width), self.points_to_pixels(height), self.points_to_pixels(descent)


class Svg(RendererSVG):  # type: ignore[misc, unused-ignore]
    """What matplotlib writes, from outlines that are kept."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._text2path = outlines()


class Canvas(FigureCanvasAgg):  # type: ignore[misc, unused-ignore]
    """A canvas that measures texts as they are drawn."""

    _drawn_at: tuple[int, int, float] | None = None

    def get_renderer(self) -> Agg:
        """Return what draws the figure at its resolution, empty where that is another than before."""
        key = *self.get_width_height(physical=True), self.figure.dpi
        if self._drawn_at != key:
            self.renderer, self._drawn_at = Agg(*key), key
        return self.renderer


def png(figure: Figure, dpi: int) -> bytes:
    """Return the figure as a PNG file."""
    figure.set_dpi(dpi)
    buffer = io.BytesIO()
    Canvas(figure).print_png(buffer, metadata={"Software": None}, pil_kwargs=PNG_OPTIONS)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """Return the figure as an SVG file."""
    figure.set_dpi(POINTS)
    width, height = POINTS * figure.get_size_inches()
    buffer = io.StringIO()
    renderer = Svg(width, height, buffer, metadata=SVG_METADATA)
    figure.draw(renderer)
    renderer.finalize()
    return buffer.getvalue().encode()

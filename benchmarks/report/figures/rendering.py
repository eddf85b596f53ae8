"""Both files of a figure from one pass over it: pixels by matplotlib's Agg, and an SVG of the same layout."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Affine2D
from PIL import Image

from benchmarks.report.figures.svg import Svg
from benchmarks.report.figures.text_lines import box, font_files, line, outline

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

COMPRESSION = 2  # of zlib: smaller than by its default, and in half the time
LONGER_BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0}


def rendered(figure: Figure, dpi: int) -> dict[str, bytes]:
    """Return a figure's files by their suffixes."""
    figure.set_dpi(dpi)
    renderer = Both(figure)
    figure.draw(renderer)
    return {"png": renderer.png(), "svg": renderer.svg.document()}


class Both(RendererBase):
    """Hands everything to Agg and to the SVG; images, which no figure has, to neither.

    Text is laid out for Agg and drawn as outlines in both. In the SVG letters have their exact distances; a line
    begins, ends or is centred where it does so in the PNG.
    """

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self.agg = FigureCanvasAgg(figure).get_renderer()
        self.svg = Svg(*figure.bbox.size, figure.dpi)  # which need not be whole pixels

    def png(self) -> bytes:
        """Return the PNG; nothing in it is transparent."""
        buffer = io.BytesIO()
        image = Image.fromarray(np.asarray(self.agg.buffer_rgba())).convert("RGB")
        image.save(buffer, "png", dpi=(self.agg.dpi, self.agg.dpi), compress_level=COMPRESSION)
        return buffer.getvalue()

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.agg.get_canvas_width_height()

    def points_to_pixels(self, points: Any) -> Any:
        return self.agg.points_to_pixels(points)

    def draw_path(self, *drawn: Any, **options: Any) -> None:
        self.agg.draw_path(*drawn, **options)
        self.svg.draw_path(*drawn, **options)

    def draw_markers(self, *drawn: Any, **options: Any) -> None:
        self.agg.draw_markers(*drawn, **options)
        self.svg.draw_markers(*drawn, **options)

    def draw_path_collection(self, *drawn: Any, **options: Any) -> None:
        self.agg.draw_path_collection(*drawn, **options)
        self.svg.draw_path_collection(*drawn, **options)

    def draw_quad_mesh(self, *drawn: Any, **options: Any) -> None:
        self.agg.draw_quad_mesh(*drawn, **options)
        self.svg.draw_quad_mesh(*drawn, **options)

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> tuple[float, float, float]:
        return box(s, font_files(prop), prop.get_size_in_points(), self.agg.dpi)[:3]

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Text | None = None,
    ) -> None:
        files, size, dpi = font_files(prop), prop.get_size_in_points(), self.agg.dpi
        filled = self.new_gc()
        filled.copy_properties(gc)
        filled.set_linewidth(0)
        filled.set_snap(False)
        x, y = float(x), self.agg.height - float(y)  # from the lower left corner
        place = Affine2D().rotate_deg(angle).translate(x, y)
        self.agg.draw_path(filled, outline(s, files, size, dpi), place, gc.get_rgb())
        pixels = self.agg.points_to_pixels(size)
        if mtext is not None:
            longer = line(s, files).width * pixels - box(s, files, size, dpi).width
            before = longer * LONGER_BEFORE[mtext.get_horizontalalignment()]
            x -= before * math.cos(math.radians(angle))
            y -= before * math.sin(math.radians(angle))
        self.svg.write(gc, (x, y), s, files, pixels, angle)

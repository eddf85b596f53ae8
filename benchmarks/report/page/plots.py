"""What the small charts of a page need: places on an axis in per cent of its length, and lines as SVG points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.results import LeaderboardRow

WIDEST = 20  # points of accuracy on an axis: what lies below is marked at its edge
TICKS = (1, 2, 5, 10)  # points between two of them
MOST_TICKS = 6
WIDTH, HEIGHT = 300, 110  # of a history chart, in SVG units


@dataclass(frozen=True)
class Axis:
    """Accuracies from `low` to `high`, in whole per cent."""

    low: int
    high: int

    @classmethod
    def of(cls, rows: Sequence[LeaderboardRow]) -> Axis:
        """Return an axis that holds the comparable rows with their intervals, unless far below the best."""
        shown = [row for row in rows if row.comparable and row.accuracy is not None]
        bounds = [bound for row in shown for bound in (row.accuracy, row.ci_low, row.ci_high) if bound is not None] or [
            0.0,
            1.0,
        ]
        high = min(100, math.ceil(100 * max(bounds)))
        low = max(math.floor(100 * min(bounds)), high - WIDEST, 0)
        return cls(min(low, high - 1), high)

    def place(self, accuracy: float) -> float:
        """Return where an accuracy (a fraction) stands: 0 at the left end, 100 at the right one, no further."""
        return round(min(max(100 * (100 * accuracy - self.low) / (self.high - self.low), 0.0), 100.0), 2)

    def beyond(self, accuracy: float) -> str:
        """Return `below`, `above` or nothing."""
        return "below" if 100 * accuracy < self.low else "above" if 100 * accuracy > self.high else ""

    @property
    def ticks(self) -> list[tuple[int, float]]:
        """Return per cent and place of each tick."""
        step = next((step for step in TICKS if (self.high - self.low) / step <= MOST_TICKS), TICKS[-1])
        first = math.ceil(self.low / step) * step
        return [(tick, self.place(tick / 100)) for tick in range(first, self.high + 1, step)]


@dataclass(frozen=True)
class Panel:
    """One quantity of a history over the epochs: `lines` maps a split's name to SVG points."""

    title: str
    low: str
    high: str
    first: str
    last: str
    lines: dict[str, str]
    mark: float | None  # x of the epoch that was kept


def history_panels(history: Mapping[str, Sequence[float]], best_epoch: float | None) -> list[Panel]:
    """Return panels of accuracy and loss, as far as the history has them; none of a single epoch."""
    epochs = history.get("epoch", ())
    if len(epochs) < 2:
        return []
    panels = []
    for title, quantity, scale in (("Accuracy, %", "accuracy", 100.0), ("Loss", "loss", 1.0)):
        columns = {split: history.get(f"{split}_{quantity}") for split in ("train", "val")}
        series = {
            split: [scale * value for value in values]
            for split, values in columns.items()
            if values and all(map(math.isfinite, values))
        }
        if series:
            panels.append(_panel(title, epochs, series, best_epoch))
    return panels


def _panel(
    title: str, epochs: Sequence[float], series: Mapping[str, Sequence[float]], best_epoch: float | None
) -> Panel:
    low, high = min(map(min, series.values())), max(map(max, series.values()))
    extent = (high - low) or 1.0

    def across(epoch: float) -> float:
        return round(WIDTH * (epoch - epochs[0]) / ((epochs[-1] - epochs[0]) or 1.0), 1)

    lines = {
        split: " ".join(
            f"{across(epoch):g},{HEIGHT * (1 - (value - low) / extent):.1f}"
            for epoch, value in zip(epochs, values, strict=True)
        )
        for split, values in series.items()
    }
    digits = 1 if high > 10 else 2
    mark = None if best_epoch is None else across(best_epoch)
    return Panel(title, f"{low:.{digits}f}", f"{high:.{digits}f}", f"{epochs[0]:g}", f"{epochs[-1]:g}", lines, mark)

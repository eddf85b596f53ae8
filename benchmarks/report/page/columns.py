"""The columns of a page's ranking: what each shows of a row, what it sorts by, and whether it is there at first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.formats import count, duration, fraction, interval, milliseconds, p_value, percent, points
from benchmarks.results import LeaderboardRow, Results, metric_columns, metric_text
from benchmarks.results.schema import MetricColumn

Text = Callable[[LeaderboardRow], "str | None"]


@dataclass(frozen=True)
class Column:
    """`value` is the number a column sorts by; None where it sorts by its text."""

    key: str
    label: str
    hint: str
    text: Text
    value: Callable[[LeaderboardRow], float | None] | None = None
    shown: bool = False
    narrow: bool = False  # also on a narrow screen
    source: bool = False  # ids in it become links


def _number(key: str, label: str, hint: str, form: Callable[[Any], str | None], **options: Any) -> Column:
    return Column(key, label, hint, lambda row: form(getattr(row, key)), lambda row: getattr(row, key), **options)


def _plain(key: str, label: str, hint: str, **options: Any) -> Column:
    return Column(key, label, hint, lambda row: getattr(row, key), **options)


def _whole(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"


def _rank(row: LeaderboardRow) -> float | None:
    first = re.match(r"\d+", row.rank or "")
    return float(first[0]) if first else None


RANK = Column("rank", "Rank", "All places that the paired tests leave possible", lambda row: row.rank, _rank, True)
NAME = _plain("title", "Name", "", shown=True, narrow=True)
ACCURACY = _number("accuracy", "Test accuracy", "Per cent, with its 95 % interval", percent, shown=True, narrow=True)
BEFORE_METRICS = (
    _plain("letters", "Letters", "Rows that share one are not separated, Holm-adjusted over all pairs", shown=True),
    _number("cross_fit_accuracy", "Val, cross-fitted", "Accuracy while held out of the fit", percent, shown=True),
    _number("cross_fit_log_loss", "Val, log-loss", "Cross-fitted, in nats: what the headline is chosen by", fraction),
    _number("gap", "Gap", "Accuracy on val as fitted, minus test, in points", points, shown=True),
    _number("p_best_single_holm", "p, best single", "McNemar, Holm-adjusted over all rows", p_value, shown=True),
    _number("models", "Models", "Networks a prediction takes", _whole, shown=True),
    _number("params", "Parameters", "", count, shown=True),
    _number("ms_per_image", "ms/image", "Milliseconds an image, as measured in prediction", milliseconds, shown=True),
    _number("train_seconds", "Training", "Wall clock, all members together", duration),
    Column(
        "interval", "95 % interval", "Percentile bootstrap over what the test split is a sample of",
        lambda row: interval(row.ci_low, row.ci_high), lambda row: row.ci_low,
    ),
    _number("seen_accuracy", "Val, as fitted", "Accuracy on val, which chose the weights or the epoch", percent),
    _number("p_uniform_holm", "p, uniform", "McNemar against the uniform average, Holm-adjusted", p_value),
    _number("flops", "FLOPs", "An image, with all views at test time", count),
    Column("pareto", "Front", "No row beats it in accuracy at as few FLOPs", lambda row: "yes" if row.pareto else None),
)  # fmt: skip
AFTER_METRICS = (
    _number("epochs", "Epochs", "", _whole),
    _number("images_per_second", "Images/s", "In training", _whole),
    _number("year", "Year", "", _whole),
    _plain("split", "Split", "What the accuracy was measured on"),
    _plain("device", "Device", ""),
    _plain("init", "Init", "Where the weights started"),
    _plain("tta", "TTA", "Test-time augmentation"),
    _plain("extra_data", "Extra data", ""),
    _plain("reference", "Source", "", source=True),
)  # fmt: skip


def page_columns(results: Results) -> list[Column]:
    """Return every column of the ranking, in order: those of any row, and one per metric."""
    metrics = [_metric(column) for column in metric_columns(results)]
    return [RANK, NAME, ACCURACY, *BEFORE_METRICS, *metrics, *AFTER_METRICS]


def _metric(column: MetricColumn) -> Column:
    name, unit = column["name"], ", in per cent" if column["percent"] else ""
    hint = f"{column['about'][:1].upper()}{column['about'][1:]}{unit}; {column['better']} is better"
    return Column(name, column["title"], hint, lambda row: metric_text(row, column), lambda row: row.metrics.get(name))

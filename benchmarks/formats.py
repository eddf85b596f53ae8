"""Markdown tables, and the one way in which every number of a report is printed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

NONE = "-"


def table(head: str, body: Iterable[Sequence[Any]], right: frozenset[int] | set[int] = frozenset()) -> str:
    """A markdown table: `head` separated by `|`, None as a dash, `|` and line breaks in cells escaped."""
    columns = head.split("|")
    rule = ["---:" if column in right else "---" for column in range(len(columns))]
    lines = [columns, rule, *([NONE if cell is None else escape(str(cell)) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape(text: str) -> str:
    """Text fit for a table cell: on one line, every `|` escaped once."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def labels(models: Iterable[tuple[str, int | None]]) -> list[str]:
    """How tables and figures call models, given name and seed of each: with the seed where it tells them apart.

    That is where a name occurs with several seeds, and where its only seed is not 0.
    """
    named = list(models)
    seeds = Counter(name for name, _ in named)
    return [f"{name} (seed {seed})" if seeds[name] > 1 or seed else name for name, seed in named]


LINKS = {  # how sources are written in the published results, and where each leads
    r"arXiv:(\d{4}\.\d{4,5})": r"[\g<0>](https://arxiv.org/abs/\1)",
    r"(?i:DOI):([^\s;]+)": r"[\g<0>](https://doi.org/\1)",
    r"IEEE (\d+)": r"[\g<0>](https://ieeexplore.ieee.org/document/\1)",
    r"github ([\w.-]+)/([\w.-]+) issue (\d+)": r"[\2 issue \3](https://github.com/\1/\2/issues/\3)",
    r"github ([\w.-]+)/([\w.-]+)(?! issue|[\w.-])": r"[\2](https://github.com/\1/\2)",
}


def linked(source: str | None) -> str | None:
    """A source with its arXiv, DOI, IEEE and GitHub ids as markdown links; a repository without its owner."""
    if source is None:
        return None
    for pattern, link in LINKS.items():
        source = re.sub(pattern, link, source)
    return source


def percent(fraction: float | None) -> str | None:
    """0.7253 as 72.53."""
    return None if fraction is None else f"{100.0 * fraction:.2f}"


def fraction(value: float | None) -> str | None:
    """0.81264 as 0.813."""
    return None if value is None else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str | None:
    """0.71 and 0.74 as [71.0, 74.0]."""
    return None if low is None or high is None else f"[{100.0 * low:.1f}, {100.0 * high:.1f}]"


def points(difference: float | None, digits: int = 1) -> str | None:
    """0.0123 as +1.2."""
    return None if difference is None else f"{100.0 * difference:+.{digits}f}"


def p_value(p: float | None) -> str | None:
    """0.0312 as 0.031; what is smaller than a thousandth as < 0.001."""
    return None if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: float | None) -> str | None:
    """23508032 as 23.5M."""
    if number is None:
        return None
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def milliseconds(value: float | None) -> str | None:
    """3.14159 as 3.1; what is below ten microseconds as < 0.01."""
    if value is None:
        return None
    return "< 0.01" if value < 0.01 else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def duration(seconds: float | None) -> str | None:
    """4210 as 1 h 10 min."""
    if seconds is None:
        return None
    minutes = round(seconds / 60)
    if minutes == 0 or seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

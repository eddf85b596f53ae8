"""How reports print things: tables as markdown and as text, sources as links, and every number in one way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmarks.text import printable

NONE = "-"
GAP = 2  # characters between the columns of a table of text
ADDRESSES = {  # kinds of sources, and where each leads
    "arXiv": "https://arxiv.org/abs/{}",
    "doi": "https://doi.org/{}",
    "ieee": "https://ieeexplore.ieee.org/document/{}",
    "github": "https://github.com/{}",
}
SOURCES = re.compile(  # how sources are written in references and published results
    r"arXiv:(?P<arXiv>\d{4}\.\d{4,5})|(?i:doi):(?P<doi>[^\s;,<>\[\]{}|`\"\\]+)|IEEE (?P<ieee>\d{5,})"
    r"|github (?P<github>[\w.-]+/[\w.-]+)(?: issue (?P<issue>\d+))?"
)

UNESCAPED = r"(?<!\\)((?:\\\\)*)"  # no backslash is before it but pairs, which mean one each
MARKDOWN = (
    (re.compile(UNESCAPED + r"\|"), r"\1\\|"),
    (re.compile(r"<(?=[A-Za-z/!?])(?!br>)"), "&lt;"),
    (re.compile(UNESCAPED + r"!(?=\[)(?!\[[^\[\]]*\]\((?:\.\./)*\w[\w./-]*\))"), r"\1\\!"),
    (re.compile(UNESCAPED + r"\](?=\()(?!\((?:https://[^\s<>]*|(?:\.\./)*[\w#][\w./#-]*)\))"), r"\1\\]"),
    (re.compile(UNESCAPED + r"\](?=:)"), r"\1\\]"),
    (re.compile(r"\\$"), r"\\ "),  # else it would escape what our own text has behind it
    (re.compile(r"^(?=#{1,6} |>|[-+*] |`{3}|~{3})"), r"\\"),
)
"""What is escaped in markdown, and how: cells, tags, images, the targets of links, definitions of links, and what
begins a heading, a quotation, a list or code."""


def table(head: str | Sequence[str], body: Iterable[Sequence[Any]], right: Collection[int] = ()) -> str:
    """Return a markdown table: None as a dash, `|` and line breaks in cells escaped; `head` as text is split at each
    `|` that is not escaped."""
    columns = re.split(r"(?<!\\)\|", head) if isinstance(head, str) else [escape(name) for name in head]
    rule = ["---:" if column in right else "---" for column in range(len(columns))]
    lines = [columns, rule, *([NONE if cell is None else escape(str(cell)) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@lru_cache(maxsize=65_536)  # the same names and keys come up all over a report
def escape(text: str) -> str:
    """Return text fit for markdown, also for a table cell: on one line, and nothing in it but text, emphasis, and links
    that lead to a file beside it or to an https address.

    Raw HTML is shown as text, but for the line break that our own cells have; so are links of other kinds, definitions
    of links, and images from elsewhere. What is escaped already stays as it is.
    """
    shown = printable(" ".join(text.split()))
    for found, instead in MARKDOWN:
        shown = found.sub(instead, shown)
    return shown


def escaped(value: Any) -> Any:
    """Return results, or any part of them, with all text in them fit for markdown; keys, too, since names are keys."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {escape(key): escaped(part) for key, part in value.items()}
    return [escaped(part) for part in value] if isinstance(value, list) else value


def labels(models: Iterable[tuple[str, int | None]]) -> list[str]:
    """Name models in tables and figures, given name and seed of each: with the seed where it tells them apart.

    That is where a name occurs with several seeds, and where its only seed is not 0.
    """
    named = list(models)
    seeds = Counter(name for name, _ in named)
    return [f"{name} (seed {seed})" if seeds[name] > 1 or seed else name for name, seed in named]


def columns(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of equal keys, one at least, as text under these keys."""
    return aligned([list(rows[0]), *(row.values() for row in rows)])


def aligned(lines: Iterable[Iterable[Any]], right: Collection[int] = ()) -> str:
    """Return lines of cells as text in columns.

    Columns in `right` are aligned right. None is a dash, whole numbers have thousands separators.
    """
    cells = [[_text(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_aligned(line, widths, right) for line in cells)


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    padded = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return (" " * GAP).join(padded).rstrip()


def _text(cell: Any) -> str:
    return NONE if cell is None else f"{cell:,}" if isinstance(cell, int) else printable(str(cell))


@dataclass(frozen=True, order=True)
class Source:
    """What can be cited: an id of one of the kinds of ADDRESSES."""

    kind: str
    id: str

    @property
    def key(self) -> str:
        """Return the name of its BibTeX entry: letters, digits, dots and hyphens."""
        return re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.kind}-{self.id}").strip("-")

    @property
    def address(self) -> str:
        """Return the address of the source."""
        return ADDRESSES[self.kind].format(self.id)


def cited(text: str | None) -> list[Source]:
    """List the sources that a reference names, in its order, each once; none for None and for words without an id."""
    return list(dict.fromkeys(_source(match) for match in SOURCES.finditer(text or "")))


def _source(match: re.Match[str]) -> Source:
    return next(Source(kind, match[kind]) for kind in ADDRESSES if match[kind])


def linked(text: str | None) -> str | None:
    """Return a reference with its sources as markdown links; a repository is called by its name without its owner."""
    return None if text is None else SOURCES.sub(_link, text)


def _link(match: re.Match[str]) -> str:
    source, label = _source(match), match.group()
    address = source.address
    if source.kind == "github":
        label = source.id.partition("/")[2]
        if match["issue"]:
            label, address = f"{label} issue {match['issue']}", f"{address}/issues/{match['issue']}"
    return f"[{label}]({address})"


def percent(fraction: float | None) -> str | None:
    """Print 0.7253 as 72.53."""
    return None if fraction is None else f"{100.0 * fraction:.2f}"


def fraction(value: float | None) -> str | None:
    """Print 0.81264 as 0.813."""
    return None if value is None else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str | None:
    """Print 0.71 and 0.74 as [71.0, 74.0]."""
    return None if low is None or high is None else f"[{100.0 * low:.1f}, {100.0 * high:.1f}]"


def bounds(interval: Sequence[float] | None, digits: int, scale: float = 1.0) -> str | None:
    """Print [-0.0205, -0.0084] with so many digits and signs, each times `scale`; None for None."""
    return None if interval is None else f"[{scale * interval[0]:+.{digits}f}, {scale * interval[1]:+.{digits}f}]"


def points(difference: float | None, digits: int = 1) -> str | None:
    """Print 0.0123 as +1.2."""
    return None if difference is None else f"{100.0 * difference:+.{digits}f}"


def p_value(p: float | None) -> str | None:
    """Print 0.0312 as 0.031, and what is smaller than a thousandth as < 0.001."""
    return None if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: float | None) -> str | None:
    """Print 23508032 as 23.5M."""
    if number is None:
        return None
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def milliseconds(value: float | None) -> str | None:
    """Print 3.14159 as 3.1, and what is below ten microseconds as < 0.01."""
    if value is None:
        return None
    return "< 0.01" if value < 0.01 else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def duration(seconds: float | None) -> str | None:
    """Print 4210 seconds as 1 h 10 min."""
    if seconds is None:
        return None
    minutes = round(seconds / 60)
    if minutes == 0 or seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

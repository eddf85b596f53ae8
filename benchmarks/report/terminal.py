"""What the command prints when a run is over: headline, the top rows as a table, what did not run, where the report is.

On a terminal the table is rich's; in a pipe it is aligned plain text, and rich is not imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.formats import GAP, NONE, aligned, count, duration, interval, percent
from benchmarks.report.sections.headline import headline, leak_warning
from benchmarks.results import LeaderboardRow, Results, is_headline, short_list
from benchmarks.text import printable

ENSEMBLES, MEMBERS, PUBLISHED = 5, 6, 3
COLUMNS = ("rank", "kind", "name", "test", "95 % interval", "models", "parameters", "training")
RIGHT = {3, 5, 6, 7}
NAME, NARROWEST = 2, 24


def show(results: Results, report: Path) -> None:
    """Print it all to stdout; `report` is the path named at the end."""
    print(opening(results))
    print()
    if sys.stdout.isatty():
        _print_rich(results)
    else:
        print(plain_table(results))
        print()
    print(closing(results, report))


def opening(results: Results) -> str:
    """Return the headline, and a warning where a row is too good to be true, without markup."""
    paragraphs = [headline(results), leak_warning(results).removeprefix("> ")]
    return printable("\n".join(text.replace("*", "").replace("\\", "") for text in paragraphs if text))


def closing(results: Results, report: Path) -> str:
    """Return a line per member that did not run, with the reason, and where the report is."""
    lines = [f"not run: {item['name']} (seed {item['seed']}): {item['reason']}" for item in results["not_run"]]
    return printable("\n".join([*lines, f"report: {report}"]))


def plain_table(results: Results) -> str:
    """Return the top rows in columns of text, best test accuracy first."""
    return aligned([COLUMNS, *(_cells(row, results) for row in _top(results))], RIGHT)


def _top(results: Results) -> list[LeaderboardRow]:
    return short_list(results, ENSEMBLES, MEMBERS, PUBLISHED)


def _cells(row: LeaderboardRow, results: Results) -> list[str]:
    title = printable(row.title)
    name = f"{title} (chosen)" if is_headline(row, results) else title
    cells = [
        row.rank, row.category, name, percent(row.accuracy), interval(row.ci_low, row.ci_high), row.models,
        count(row.params), duration(row.train_seconds),
    ]  # fmt: skip
    return [NONE if cell is None else str(cell) for cell in cells]


def fitting(lines: Sequence[Sequence[str]], width: int) -> tuple[int, int]:
    """Return how many columns fit into `width` characters, and the width of the name, which gives way first."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    shown = len(COLUMNS)
    while shown > NAME + 2 and _needed(widths[:shown]) - widths[NAME] + NARROWEST > width:
        shown -= 1
    return shown, min(widths[NAME], max(NARROWEST, width - _needed(widths[:shown]) + widths[NAME]))


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _print_rich(results: Results) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, rows = Console(), _top(results)
    cells = [_cells(row, results) for row in rows]
    shown, name_width = fitting([COLUMNS, *cells], console.width)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for column, title in enumerate(COLUMNS[:shown]):
        width = name_width if column == NAME else max(len(line[column]) for line in [COLUMNS, *cells])
        table.add_column(title, justify="right" if column in RIGHT else "left", no_wrap=True, width=width)
    for row, line in zip(rows, cells, strict=True):
        style = "bold" if is_headline(row, results) else "dim" if row.kind == "published" else ""
        table.add_row(*(Text(cell, overflow="ellipsis") for cell in line[:shown]), style=style)
    console.print(table, end="\n\n")

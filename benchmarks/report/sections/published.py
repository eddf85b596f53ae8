"""The leaderboard's part on published results: what each number is of, and what is known against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.formats import linked, percent, table
from benchmarks.results import LEAK_ABOVE, Results, Standing, by_accuracy, looks_leaked, published_rows

TITLE = "## Published, and what we know of it"


def published_section(results: Results) -> str:
    """Markdown, comparable results first; empty for a suite without published results."""
    rows = by_accuracy(published_rows(results))
    if not rows:
        return ""
    test, comparable = results["splits"]["test"]["name"], [row for row in rows if row.comparable]
    parts = [
        f"{TITLE}\n\nAs reported, in per cent. *Selection* is the split that chose epochs or members, as far as paper "
        "and code tell; *seen* says whether the number was read in its own source, elsewhere, or not confirmed. The "
        "last column states what code or a public thread shows, and where to check it; an empty one is no proof that "
        "all is well.",
        f"### Comparable\n\nOn {test}, without extra expression data, and no selection on that split and no leak is "
        "known.\n\n" + (_table(comparable, results, reasons=False) if comparable else "None."),
    ]
    others = [row for row in rows if not row.comparable]
    if others:
        limit = LEAK_ABOVE.get(results["suite"])
        bold = f"Bold: above {100 * limit:.0f} %, treat as a leak until shown otherwise.\n\n" if limit else ""
        parts.append(f"### Not comparable, and why\n\n{bold}{_table(others, results, reasons=True)}")
    return "\n\n".join(parts)


def _table(rows: Sequence[Standing], results: Results, reasons: bool) -> str:
    """With the columns that tell results apart which are not comparable, or without them."""
    ends = ("|Split|Extra data", "|Why not comparable") if reasons else ("", "")
    head = f"Method|Reported|Selection|Models|TTA|Init{ends[0]}|Seen{ends[1]}|What is known|Source"
    body = [
        [
            row.title, _reported(row, results), row.selection, row.models, row.tta, row.init,
            *([row.split, row.extra_data] if reasons else []), row.seen, *([row.why_not] if reasons else []),
            _doubt(row), linked(row.reference),
        ]
        for row in rows
    ]  # fmt: skip
    return table(head, body, right={1, 3})


def _reported(row: Standing, results: Results) -> str | None:
    return f"**{percent(row.accuracy)}**" if looks_leaked(row, results) else percent(row.accuracy)


def _doubt(row: Standing) -> Any:
    return None if row.doubt is None else f"{row.doubt} ({linked(row.doubt_source)})"

"""Published results: what each number is of and what is known against it, and how the headline compares with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.formats import linked, percent, points, table
from benchmarks.results import LeaderboardRow, Results, by_accuracy, headline_row, looks_leaked, published_rows

TITLE = "## Published, and what we know of it"
LEADERBOARD = "leaderboard.md#published-and-what-we-know-of-it"


def published_section(results: Results) -> str:
    """List the published results, comparable ones first; empty for a suite without any."""
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
        limit = results["leak_above"]
        bold = f"Bold: above {100 * limit:.0f} %, treat as a leak until shown otherwise.\n\n" if limit else ""
        parts.append(f"### Not comparable, and why\n\n{bold}{_table(others, results, reasons=True)}")
    return "\n\n".join(parts)


def _table(rows: Sequence[LeaderboardRow], results: Results, reasons: bool) -> str:
    """Tabulate results; `reasons` adds the columns that tell apart those which are not comparable."""
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


def _reported(row: LeaderboardRow, results: Results) -> str | None:
    return f"**{percent(row.accuracy)}**" if looks_leaked(row, results) else percent(row.accuracy)


def _doubt(row: LeaderboardRow) -> Any:
    return None if row.doubt is None else f"{row.doubt} ({linked(row.doubt_source)})"


def comparability_section(results: Results) -> str:
    """Compare each comparable result with the headline; empty for a suite without published results."""
    rows = [row for row in by_accuracy(published_rows(results)) if row.accuracy is not None]
    if not rows:
        return ""
    comparable = [row for row in rows if row.comparable]
    headline, test = headline_row(results), results["splits"]["test"]["name"]
    text = (
        f"## Which published numbers are comparable\n\n{len(comparable)} of {len(rows)}: those on {test} without extra "
        "expression data, where no selection on that split and no leak is known."
    )
    others = _why_not([row for row in rows if not row.comparable], test)
    text += f"{others} Every reason, doubt and source: [leaderboard]({LEADERBOARD})."
    if headline is None or headline.accuracy is None or not comparable:
        return text
    return f"{text} {_standing(headline, comparable)}\n\n{_differences(headline, comparable)}"


def _why_not(rows: Sequence[LeaderboardRow], test: str) -> str:
    """Count the results that are not comparable for each kind of reason; a row may have several."""
    reasons = {
        f"are on another split than {test} or do not state it": [row.split != test for row in rows],
        f"chose on {test} or on the part they report": [row.selection in (test, "the reported part") for row in rows],
        "used extra data or may have": [row.extra_data != "none" for row in rows],
        "could not be confirmed": [row.seen == "not confirmed" for row in rows],
    }
    told = [f"{sum(holds)} {words}" for words, holds in reasons.items() if any(holds)]
    return f" Of the other {len(rows)}, {', '.join(told)}; a row may have several reasons." if told else ""


def _standing(headline: LeaderboardRow, comparable: Sequence[LeaderboardRow]) -> str:
    """Say the headline's place among them, and how many lie in its interval."""
    above = sum((row.accuracy or 0.0) > (headline.accuracy or 0.0) for row in comparable)
    place = f"The headline would be number {above + 1} of {len(comparable) + 1}"
    if headline.ci_low is None or headline.ci_high is None:
        return f"{place}."
    inside = sum(headline.ci_low <= (row.accuracy or 0.0) <= headline.ci_high for row in comparable)
    return (
        f"{place}; {inside} of the others lie in its interval. Their predictions are not at hand, so differences are "
        "not paired: the intervals below take the published number as exact and are too narrow for what its own test "
        "images and seed leave open."
    )


def _differences(headline: LeaderboardRow, comparable: Sequence[LeaderboardRow]) -> str:
    body = []
    for row in comparable:
        published = row.accuracy or 0.0
        low, high = (
            None if bound is None else points(bound - published, 2) for bound in (headline.ci_low, headline.ci_high)
        )
        body.append(
            [
                row.title, percent(published), points((headline.accuracy or 0.0) - published, 2),
                None if low is None else f"[{low}, {high}]", row.selection, row.tta, row.init, linked(row.reference),
            ]
        )  # fmt: skip
    return table("Method|Reported|Headline minus it|95 %|Selection|TTA|Init|Source", body, right={1, 2, 3})

"""The same images under another protocol: what its suite reports for the same members, and why the two differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.formats import escape, interval, linked, percent, points, table
from benchmarks.results import Results, headline_row, member_rows, trained_alike


def contrast_section(results: Results) -> str:
    """Markdown; empty for a suite without another protocol."""
    found = results.get("contrast")
    if not found:
        return ""
    heading = f"## The other protocol: {found['suite']}\n\n{found['difference']}"
    if not found["rows"]:
        command = f"python benchmark.py --suite {found['suite']} --train missing"
        return f"{heading} There are no results of {found['suite']} yet: `{command}`, then this suite again."
    here, there = results["splits"]["test"]["name"], found["split"]
    others = {trained_alike(row): row for row in found["rows"] if row["name"] is not None}
    body = []
    for member, row in zip(results["members"], member_rows(results), strict=True):
        other = others.get(trained_alike(member))
        if other is not None:
            body.append([escape(row.title), *_pair(row.accuracy, row.ci_low, row.ci_high, other)])
    chosen, headline = headline_row(results), next((row for row in found["rows"] if row["name"] is None), None)
    if chosen is not None and headline is not None:
        title = f"headline: {chosen.title} here, {headline['title']} there"
        body.append([escape(title), *_pair(chosen.accuracy, chosen.ci_low, chosen.ci_high, headline)])
    if not body:
        return f"{heading} The two have no member in common yet."
    head = f"Name|{here}|95 % interval|{there}|95 % interval|Difference, points"
    link = linked(f"[{found['suite']}](../{found['suite']}/leaderboard.md)")
    return f"{heading} Accuracy in per cent here and in {link}:\n\n{table(head, body, right={1, 3, 5})}"


def _pair(accuracy: float | None, low: float | None, high: float | None, other: Mapping[str, Any]) -> list[str | None]:
    bounds = other["interval"] or (None, None)
    difference = None if accuracy is None else points(other["accuracy"] - accuracy)
    return [percent(accuracy), interval(low, high), percent(other["accuracy"]), interval(*bounds), difference]

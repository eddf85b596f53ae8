"""The same images under another protocol: what its suite reports for the same members, and why the two differ."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.formats import escape, interval, linked, percent, points, table
from benchmarks.results import LeaderboardRow, Results, headline_row, member_rows, split_names, trained_alike
from benchmarks.results.schema import ContrastRow


def contrast_section(results: Results) -> str:
    """Compare with the other protocol; empty for a suite without one."""
    if "contrast" not in results:
        return ""
    other = results["contrast"]
    heading = f"## The other protocol: {other['suite']}\n\n{other['difference']}"
    if other["problem"] is not None:
        return f"{heading} What {other['suite']} has reported is not known here: {escape(other['problem'])}."
    if not other["rows"]:
        command = f"python benchmark.py --suite {other['suite']} --train missing"
        return f"{heading} There are no results of {other['suite']} yet: `{command}`, then this suite again."
    body = _pairs(results, other["rows"])
    if not body:
        return f"{heading} The two have no member in common yet."
    here, there = split_names(results)[2], other["split"]
    head = f"Name|{here}|95 % interval|{there}|95 % interval|Difference, points"
    link = linked(f"[{other['suite']}](../{other['suite']}/leaderboard.md)")
    return f"{heading} Accuracy in per cent here and in {link}:\n\n{table(head, body, right={1, 3, 5})}"


def _pairs(results: Results, others: Sequence[ContrastRow]) -> list[list[str | None]]:
    """Pair the members that both suites trained alike, and the headlines of both."""
    members = {trained_alike(row): row for row in others if row["name"] is not None}
    body: list[list[str | None]] = []
    for member, row in zip(results["members"], member_rows(results), strict=True):
        twin = members.get(trained_alike(member))
        if twin is not None:
            body.append([escape(row.title), *_pair(row, twin)])
    headline, there = headline_row(results), next((row for row in others if row["name"] is None), None)
    if headline is not None and there is not None:
        title = f"headline: {headline.title} here, {there['title']} there"
        body.append([escape(title), *_pair(headline, there)])
    return body


def _pair(row: LeaderboardRow, other: ContrastRow) -> list[str | None]:
    bounds = other["interval"] or (None, None)
    difference = None
    if row.accuracy is not None and other["accuracy"] is not None:
        difference = points(other["accuracy"] - row.accuracy)
    here = [percent(row.accuracy), interval(row.ci_low, row.ci_high)]
    return [*here, percent(other["accuracy"]), interval(*bounds), difference]

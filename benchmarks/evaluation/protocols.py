"""The same images under another protocol: what the other suite reports for the same members, and why they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.formats import escape, interval, linked, percent, points, table
from benchmarks.results import Results, headline_row, member_rows
from benchmarks.suites.suite import Contrast


def contrast(meant: Contrast, folder: Path) -> dict[str, Any]:
    """`contrast` of the results of a suite: what the other one, a sibling in the results `folder`, has reported; no
    rows where it has not run."""
    path = folder / meant.suite / "results.json"
    found: dict[str, Any] = {"suite": meant.suite, "difference": meant.difference, "split": None, "rows": []}
    if not path.is_file():
        return found
    other = json.loads(path.read_text(encoding="utf-8"))
    members = zip(other["members"], member_rows(other), strict=True)
    rows = [{**_key(member), **_scores(row.accuracy, row.ci_low, row.ci_high)} for member, row in members]
    chosen = headline_row(other)
    if chosen is not None:
        rows.append({"name": None, "title": chosen.title, **_scores(chosen.accuracy, chosen.ci_low, chosen.ci_high)})
    return {**found, "split": other["splits"]["test"]["name"], "rows": rows}


def _key(member: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be equal for two rows to be of one member, trained alike."""
    return {key: member.get(key) for key in ("name", "seed", "recipe", "image_size", "init")}


def _scores(accuracy: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {"accuracy": accuracy, "interval": None if low is None or high is None else [low, high]}


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
    others = {json.dumps(_key(row), sort_keys=True): row for row in found["rows"] if row["name"] is not None}
    body = []
    for member, row in zip(results["members"], member_rows(results), strict=True):
        other = others.get(json.dumps(_key(member), sort_keys=True))
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

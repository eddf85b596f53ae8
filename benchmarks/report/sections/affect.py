"""Valence and arousal in the reports: a section of the leaderboard and a CSV, drawn from the results alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.formats import escape, fraction, linked, table
from benchmarks.results import AFFECT_SCORES, DIMENSIONS, Results

TITLE = "## Valence and arousal"
CSV_NAME = "leaderboard_affect.csv"
HEAD = (
    "Kind|Name|Models|CCC, mean|95 % interval|V: RMSE|CORR|SAGR|CCC|95 % interval|A: RMSE|CORR|SAGR|CCC|95 % interval"
)
NUMBERS = {2, 3, 5, 6, 7, 8, 10, 11, 12, 13}  # columns of HEAD, aligned right


def affect_rows(results: Results) -> list[Mapping[str, Any]]:
    """Members and combinations, the best mean concordance on test first; empty where the suite has no such part."""
    affect = results.get("affect")
    return sorted([*affect["ensembles"], *affect["members"]], key=lambda row: -row["ccc"]) if affect else []


def affect_section(results: Results) -> str:
    """Markdown; empty where the suite has no ratings or no member predicts them."""
    rows = affect_rows(results)
    if not rows:
        return ""
    affect = results["affect"]
    names = {split: escape(results["splits"][split]["name"]) for split in ("val", "test")}
    body = [
        [
            row["kind"], _name(row, affect), row["models"], fraction(row["ccc"]), span(row["ccc_interval"]),
            *(cell for dimension in DIMENSIONS for cell in _cells(row[dimension])),
            fraction(row["cross_fit_ccc"] if row["cross_fit_ccc"] is not None else row["val_ccc"]),
        ]
        for row in rows
    ]  # fmt: skip
    failed = [f"{one['title']} failed: {one['error']}." for one in affect["failed"]]
    parts = [
        f"{TITLE}\n\n{summary(results)} {affect['rated']['test']:,} images of {names['test']} and "
        f"{affect['rated']['val']:,} of {names['val']} have a rating; the others count for nothing. CCC is Lin's "
        "concordance correlation, CORR Pearson's, SAGR the share of equal signs. The last column is mean CCC on "
        f"{names['val']}: of a member as it is, of a combination cross-fitted.",
        table(f"{HEAD}|CCC on val", body, right={*NUMBERS, 15}),
        *failed,
        _published(affect.get("published", [])),
    ]
    return "\n\n".join(part for part in parts if part)


def summary(results: Results) -> str:
    """The choice made on val, and what it is worth on test, in one or two sentences."""
    affect = results["affect"]
    single = next(row for row in affect["members"] if row["name"] == affect["best_single"])
    against = f"the best single member there, {escape(single['title'])}, has {fraction(single['ccc'])}"
    chosen = next((row for row in affect["ensembles"] if row["name"] == affect["headline"]), None)
    if chosen is None:
        return f"No combination could be fitted; {against}."
    low, high = chosen["difference_interval"]
    return (
        f"**Mean CCC {fraction(chosen['ccc'])} {span(chosen['ccc_interval'])}**: *{escape(chosen['title'])}*, chosen "
        f"by cross-fitted concordance on {escape(results['splits']['val']['name'])}; {against} (difference "
        f"{chosen['ccc'] - single['ccc']:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})."
    )


def span(bounds: Sequence[float]) -> str:
    """0.4123 and 0.5 as [0.412, 0.500]."""
    return f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def _name(row: Mapping[str, Any], affect: Mapping[str, Any]) -> str:
    return f"**{row['title']}**" if row["name"] == affect["headline"] else row["title"]


def _cells(scores: Mapping[str, Any]) -> list[str | None]:
    return [*(fraction(scores[name]) for name in AFFECT_SCORES), span(scores["ccc_interval"])]


def _published(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    body = [
        [
            f"{row['method']}, {row['year']}", row["split"],
            *(fraction(row[f"{dimension}_{name}"]) for dimension in DIMENSIONS for name in AFFECT_SCORES),
            row["seen"], row["remark"], linked(row["source"]),
        ]
        for row in rows
    ]  # fmt: skip
    head = "Method|Split|V: RMSE|CORR|SAGR|CCC|A: RMSE|CORR|SAGR|CCC|Seen|What is known|Source"
    return f"### Published, as reported\n\n{table(head, body, right=set(range(2, 10)))}"


def affect_csv(results: Results) -> str:
    """Every row of the section under stable columns, six decimals, best mean concordance first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = [f"{dimension}_{name}" for dimension in DIMENSIONS for name in (*AFFECT_SCORES, "ccc_low", "ccc_high")]
    writer.writerow(
        ["kind", "name", "title", "models", "ccc", "ccc_low", "ccc_high", "val_ccc", "cross_fit_ccc", *columns]
    )
    for row in affect_rows(results):
        numbers = [row["ccc"], *row["ccc_interval"], row["val_ccc"], row["cross_fit_ccc"]]
        for dimension in DIMENSIONS:
            numbers += [*(row[dimension][name] for name in AFFECT_SCORES), *row[dimension]["ccc_interval"]]
        printed = ["" if number is None else f"{number:.6f}" for number in numbers]
        writer.writerow([row["kind"], row["name"], row["title"], row["models"], *printed])
    return buffer.getvalue()

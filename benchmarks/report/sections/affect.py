"""Valence and arousal in the reports: a section of the leaderboard and a CSV, drawn from the results alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.files import csv_text
from benchmarks.formats import escape, fraction, linked, table
from benchmarks.results import AFFECT_SCORES, DIMENSIONS, Results, split_names
from benchmarks.results.analyses import Affect, AffectDimension, AffectRow, PublishedAffect

TITLE = "## Valence and arousal"
CSV_NAME = "leaderboard_affect.csv"
HEAD = (
    "Kind|Name|Models|CCC, mean|95 % interval|V: RMSE|CORR|SAGR|CCC|95 % interval|A: RMSE|CORR|SAGR|CCC|95 % interval"
)
NUMBERS = {2, 3, 5, 6, 7, 8, 10, 11, 12, 13}  # columns of HEAD, aligned right


def affect_rows(results: Results) -> list[AffectRow]:
    """Return members and combinations, the best mean concordance on test first; none without that part."""
    if "affect" not in results:
        return []
    return sorted([*results["affect"]["ensembles"], *results["affect"]["members"]], key=lambda row: -row["ccc"])


def affect_section(results: Results) -> str:
    """Return markdown; empty where the suite has no ratings or no member predicts them."""
    rows = affect_rows(results)
    if not rows:
        return ""
    affect = results["affect"]
    _, val, test = map(escape, split_names(results))
    body = [
        [
            row["kind"], _name(row, affect), row["models"], fraction(row["ccc"]), span(row["ccc_interval"]),
            *(cell for dimension in DIMENSIONS for cell in _cells(row[dimension])),
            fraction(row["cross_fit_ccc"] if row["cross_fit_ccc"] is not None else row["val_ccc"]),
        ]
        for row in rows
    ]  # fmt: skip
    failed = [f"{ensembler['title']} failed: {ensembler['error']}." for ensembler in affect["failed"]]
    parts = [
        f"{TITLE}\n\n{summary(results)} {affect['rated']['test']:,} images of {test} and "
        f"{affect['rated']['val']:,} of {val} have a rating; the others count for nothing. CCC is Lin's "
        "concordance correlation, CORR Pearson's, SAGR the share of equal signs. The last column is mean CCC on "
        f"{val}: of a member as it is, of a combination cross-fitted.",
        table(f"{HEAD}|CCC on val", body, right={*NUMBERS, 15}),
        *failed,
        _published(affect["published"]),
    ]
    return "\n\n".join(part for part in parts if part)


def summary(results: Results) -> str:
    """Say which combination was chosen on val and what it is worth on test, in one or two sentences."""
    affect = results["affect"]
    single = next(row for row in affect["members"] if row["name"] == affect["best_single"])
    against = f"the best single member there, {escape(single['title'])}, has {fraction(single['ccc'])}"
    headline = next((row for row in affect["ensembles"] if row["name"] == affect["headline"]), None)
    if headline is None:
        return f"No combination could be fitted; {against}."
    low, high = headline["difference_interval"]
    return (
        f"**Mean CCC {fraction(headline['ccc'])} {span(headline['ccc_interval'])}**: *{escape(headline['title'])}*, "
        f"chosen by cross-fitted concordance on {escape(split_names(results)[1])}; {against} (difference "
        f"{headline['ccc'] - single['ccc']:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})."
    )


def span(bounds: Sequence[float]) -> str:
    """Print 0.4123 and 0.5 as [0.412, 0.500]."""
    return f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def _name(row: AffectRow, affect: Affect) -> str:
    return f"**{row['title']}**" if row["name"] == affect["headline"] else row["title"]


def _cells(scores: AffectDimension) -> list[str | None]:
    return [*(fraction(scores[name]) for name in AFFECT_SCORES), span(scores["ccc_interval"])]


def _published(rows: Sequence[PublishedAffect]) -> str:
    if not rows:
        return ""
    body = [
        [
            f"{row['method']}, {row['year']}", row["split"],
            *map(fraction, (row["valence_rmse"], row["valence_corr"], row["valence_sagr"], row["valence_ccc"])),
            *map(fraction, (row["arousal_rmse"], row["arousal_corr"], row["arousal_sagr"], row["arousal_ccc"])),
            row["seen"], row["remark"], linked(row["source"]),
        ]
        for row in rows
    ]  # fmt: skip
    head = "Method|Split|V: RMSE|CORR|SAGR|CCC|A: RMSE|CORR|SAGR|CCC|Seen|What is known|Source"
    return f"### Published, as reported\n\n{table(head, body, right=set(range(2, 10)))}"


def affect_csv(results: Results) -> str:
    """Return every row of the section as CSV, six decimals, best mean concordance first."""
    scores = [f"{dimension}_{name}" for dimension in DIMENSIONS for name in (*AFFECT_SCORES, "ccc_low", "ccc_high")]
    columns = ["kind", "name", "title", "models", "ccc", "ccc_low", "ccc_high", "val_ccc", "cross_fit_ccc", *scores]
    lines: list[list[object]] = []
    for row in affect_rows(results):
        numbers = [row["ccc"], *row["ccc_interval"], row["val_ccc"], row["cross_fit_ccc"]]
        for dimension in DIMENSIONS:
            numbers += [*(row[dimension][name] for name in AFFECT_SCORES), *row[dimension]["ccc_interval"]]
        printed = [None if number is None else f"{number:.6f}" for number in numbers]
        lines.append([row["kind"], row["name"], row["title"], row["models"], *printed])
    return csv_text(columns, lines)

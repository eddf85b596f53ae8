"""The leaderboard as markdown, as CSV, and as a short version inside a README: pure functions of one results dict.

The same dict always gives the same bytes: nothing here reads a clock, a machine or a random number.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.atomic import write_atomic
from benchmarks.audit_section import audit_section
from benchmarks.identity import EXTERNAL
from benchmarks.standings import (
    BEST_SINGLE,
    LEAK_ABOVE,
    UNIFORM,
    Results,
    Standing,
    best_single,
    by_accuracy,
    ensemble_rows,
    headline_row,
    leading_ensembles,
    looks_leaked,
    member_rows,
    published_rows,
    standings,
)
from benchmarks.tables import (
    NONE,
    count,
    duration,
    escape,
    interval,
    linked,
    milliseconds,
    p_value,
    percent,
    points,
    table,
)

FIXED = {  # columns of leaderboard.csv printed with six decimals, so that no float noise reaches a diff
    "accuracy", "ci_low", "ci_high", "val_accuracy", "fit_accuracy", "cross_fit_accuracy", "macro_f1", "log_loss",
    "ece",
}  # fmt: skip
CSV_COLUMNS = tuple(column.name for column in fields(Standing) if column.repr)
README_ENSEMBLES, README_MEMBERS, README_PUBLISHED = 5, 8, 10


def write(results: Results, folder: Path) -> list[Path]:
    """Write leaderboard.md, leaderboard.csv and the figures into `folder`; returns their paths."""
    text, table = folder / "leaderboard.md", folder / "leaderboard.csv"
    write_atomic(text, markdown(results))
    write_atomic(table, csv_table(results))
    return [text, table, *figures.draw(results, folder)]


def csv_table(results: Results) -> str:
    """Every member, ensemble and published result, one a line under the same columns, best test accuracy first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in standings(results):
        writer.writerow([_cell(column, getattr(row, column)) for column in CSV_COLUMNS])
    return buffer.getvalue()


def _cell(column: str, value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column in FIXED:
        return f"{value:.6f}"
    return f"{value:.6g}" if isinstance(value, float) else value


def markdown(results: Results) -> str:
    """The whole leaderboard: headline, ranking, published results set aside, what did not run, notes, provenance."""
    sections = [
        f"# {results['title']} leaderboard",
        headline(results),
        effort(results),
        _leak_warning(results),
        "![Benchmark chart](figures/benchmark.png)",
        _ranking(results),
        _set_aside(results),
        _not_run(results),
        _notes(results),
        _protocol(results),
        _external(results),
        _provenance(results),
        audit_section(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def headline(results: Results) -> str:
    """One paragraph: what the ensemble chosen on val reaches on test, and against which best single member."""
    chosen, single = headline_row(results), best_single(results)
    test, val = (results["splits"][split]["name"] for split in ("test", "val"))
    if chosen is None:
        if single is None:
            return "No result yet."
        return f"Best single member: **{single.title}**, {_score(single)} on {test}. No ensemble was chosen."
    sentence = (
        f"**{_score(chosen)}** on {test}: *{escape(chosen.title)}*{_members(chosen)}, chosen by cross-fitted accuracy "
        f"on {val} ({percent(chosen.cross_fit_accuracy)} %) under the one-standard-error rule."
    )
    if single is None or chosen.name == BEST_SINGLE:
        return sentence
    difference = f"{100.0 * ((chosen.accuracy or 0.0) - (single.accuracy or 0.0)):+.2f}"
    p = p_value(chosen.p_best_single)
    mcnemar = "McNemar p not known" if p is None else f"McNemar p {p}" if p.startswith("<") else f"McNemar p = {p}"
    return (
        f"{sentence} The best single member on {val}, {escape(single.title)}, reaches {_score(single)}: a difference "
        f"of {difference} points ({mcnemar})."
    )


def effort(results: Results) -> str:
    """One sentence: how many members, trained for how long in all, on what; empty where that is not known."""
    members = [member for member in results["members"] if member.get("kind") != EXTERNAL]
    seconds = [member.get("train_seconds") for member in members]
    devices = sorted({member["device"] for member in members if member.get("device")})
    if not seconds or None in seconds or not devices:
        return ""
    count = f"{len(seconds)} member{'s' if len(seconds) != 1 else ''}"
    trained = f"{count}, trained in {duration(sum(seconds))} in all on {escape(' and '.join(devices))} (wall clock)."
    externals = len(results["members"]) - len(members)
    return f"{trained} {externals} external model{'s' if externals != 1 else ''}." if externals else trained


def _members(row: Standing) -> str:
    if row.models is None or row.name == BEST_SINGLE:
        return ""
    return f" with {row.models} member{'s' if row.models != 1 else ''}"


def _leak_warning(results: Results) -> str:
    limit = LEAK_ABOVE.get(results["suite"])
    leaks = [row for row in standings(results) if row.kind != "published" and looks_leaked(row, results)]
    if limit is None or not leaks:
        return ""
    names = ", ".join(escape(row.title) for row in leaks)
    return f"> **Warning.** Above {100 * limit:.0f} %: treat as a leak until shown otherwise: {names}."


def _ranking(results: Results) -> str:
    rows = [row for row in standings(results) if row.comparable]
    test, val = (results["splits"][split] for split in ("test", "val"))
    head = (
        "Rank|Letters|Kind|Name|Test|95 % interval|Val, as fitted|Val, cross-fitted|Gap|p, best single|"
        "p, uniform|Models|Parameters|FLOPs|ms/image|Front|Epochs|Training|Device|Init|TTA|Source"
    )
    body = [
        [
            row.rank, row.letters, row.kind, _name(row, results), percent(row.accuracy),
            interval(row.ci_low, row.ci_high), percent(row.seen_accuracy), percent(row.cross_fit_accuracy),
            points(row.gap), p_value(row.p_best_single_holm), p_value(row.p_uniform_holm), row.models,
            count(row.params), count(row.flops), milliseconds(row.ms_per_image), "yes" if row.pareto else None,
            row.epochs, duration(row.train_seconds), row.device, row.init, row.tta, linked(row.reference),
        ]
        for row in rows
    ]  # fmt: skip
    return (
        "## Ranking\n\n"
        f"Accuracy in per cent on {test['name']} ({test['size']:,} images). Rows that McNemar does not separate from "
        "the best of their group (p ≥ 0.05) share a rank; rows that share a letter are not separated by it after "
        "Holm's correction over all pairs of rows. Published results, without predictions, have neither. The p values "
        "are Holm-adjusted over all rows. *Front* marks the rows that none beats in accuracy at as few FLOPs. "
        f"*Val, as fitted* is the accuracy on {val['name']} that chose the weights or the epoch; *gap* is what it "
        "loses on test, in points.\n\n" + table(head, body, right={4, *range(6, 15), 16, 17})
    )


def _name(row: Standing, results: Results) -> str:
    name = escape(row.title)
    if row.error:
        return f"{name}: failed, {escape(row.error)}"
    if row.kind == "ensemble" and row.name == results.get("headline"):
        name = f"**{name}**"
    if looks_leaked(row, results):
        name += f" (**above {100 * LEAK_ABOVE[results['suite']]:.0f} %: treat as a leak until shown otherwise**)"
    if row.kind == "ensemble" and _below_uniform(row, results):
        name += " (below uniform)"
    return name


def _below_uniform(row: Standing, results: Results) -> bool:
    floor = next((other.accuracy for other in ensemble_rows(results) if other.name == UNIFORM), None)
    return floor is not None and row.accuracy is not None and row.accuracy < floor


def _set_aside(results: Results) -> str:
    rows = [row for row in by_accuracy(published_rows(results)) if not row.comparable]
    if not rows:
        return ""
    limit = LEAK_ABOVE.get(results["suite"])
    bold = f"Bold: above {100 * limit:.0f} %, treat as a leak until shown otherwise.\n\n" if limit else ""
    head = "Method|Reported|Split|Models|Extra data|TTA|Pre-training|Why not comparable|Source"
    body = [
        [
            row.title, f"**{percent(row.accuracy)}**" if looks_leaked(row, results) else percent(row.accuracy),
            row.split, row.models, row.extra_data, row.tta, row.init, row.why_not, linked(row.reference),
        ]
        for row in rows
    ]  # fmt: skip
    return f"## Published, and why not comparable\n\n{bold}" + table(head, body, right={1, 3})


def _not_run(results: Results) -> str:
    if not results["not_run"]:
        return ""
    body = [
        [item["name"], item.get("seed"), item["reason"], f"`{item['command']}`" if item.get("command") else None]
        for item in results["not_run"]
    ]
    return "## Not run\n\n" + table("Member|Seed|Reason|Command", body)


def _notes(results: Results) -> str:
    return "## Notes\n\n" + "\n".join(f"- {note}" for note in results["notes"]) if results["notes"] else ""


def _protocol(results: Results) -> str:
    train, val, test = (results["splits"][split]["name"] for split in ("train", "val", "test"))
    return (
        f"## Protocol\n\nMembers train on {train}; epochs, ensemble weights and the headline are chosen on {val}; "
        f"{test} is scored once, at the end. Intervals are 95 % percentile bootstrap intervals over test images, p "
        "values exact two-sided McNemar tests on the same images."
    )


def _external(results: Results) -> str:
    models = [member for member in results["members"] if member.get("kind") == EXTERNAL]
    if not models:
        return ""
    body = [
        [
            model["name"], model["source"]["file"], f"`{model['source']['sha256'][:12]}`", model["source"]["given"],
            model["extra_data"], linked(model["reference"]),
        ]
        for model in models
    ]  # fmt: skip
    return (
        "## External models\n\nTrained elsewhere; only their predictions are known here, and what their owners state "
        "of them.\n\n" + table("Model|File|SHA-256|Given as|Extra data and other notes|Reference", body)
    )


def _provenance(results: Results) -> str:
    fingerprint = f"## Provenance\n\nData fingerprint `{results['data_fingerprint']}`."
    if not results["members"]:
        return fingerprint
    head = "Member|Seed|Configuration|Device|Training|Images/s|FLOPs|Image size|Best epoch|Init|Reference"
    body = [
        [
            row.name, row.seed, f"`{row.hash}`" if row.hash else None, row.device, duration(row.train_seconds),
            f"{row.images_per_second:,.0f}" if row.images_per_second else None, count(row.flops),
            member.get("image_size"), _epochs(member), row.init, linked(row.reference),
        ]
        for member, row in zip(results["members"], member_rows(results), strict=True)
    ]  # fmt: skip
    return fingerprint + "\n\n" + table(head, body, right={4, 5, 6, 7, 8})


def _epochs(member: Any) -> str | None:
    if member.get("epochs") is None:
        return None
    return f"{NONE if member.get('best_epoch') is None else member['best_epoch']} of {member['epochs']}"


def embed(readme: Path, results: Results) -> bool:
    """Put the compact leaderboard between this suite's markers in `readme`; True where the file changed.

    The markers are `<!-- leaderboard:SUITE -->` and `<!-- /leaderboard -->`; a README without them stays as it is.
    """
    text = readme.read_text(encoding="utf-8")
    marker = f"<!-- leaderboard:{results['suite']} -->"
    block = re.compile(re.escape(marker) + r".*?(?=<!-- /leaderboard -->)", re.DOTALL)
    replaced = block.sub(lambda _: f"{marker}\n{compact(results)}\n", text)
    if replaced == text:
        return False
    write_atomic(readme, replaced)
    return True


def compact(results: Results) -> str:
    """Headline, figure and one table: leading ensembles, best members, best comparable published results."""
    folder = f"results/{results['suite']}"
    published = [row for row in by_accuracy(published_rows(results)) if row.comparable]
    rows = by_accuracy(
        [
            *leading_ensembles(results, README_ENSEMBLES),
            *by_accuracy(member_rows(results))[:README_MEMBERS],
            *published[:README_PUBLISHED],
        ]
    )
    body = [
        [
            row.rank, row.kind, _name(row, results), percent(row.accuracy), interval(row.ci_low, row.ci_high),
            row.models, row.epochs, duration(row.train_seconds), row.init, row.tta,
        ]
        for row in rows
    ]  # fmt: skip
    ranking = table("Rank|Kind|Name|Test|95 % interval|Models|Epochs|Training|Init|TTA", body, right={3, 5, 6, 7})
    parts = [
        headline(results),
        effort(results),
        _leak_warning(results),
        f"![{results['title']} benchmark chart]({folder}/figures/benchmark.png)",
        ranking,
        f"All rows, also the published ones that are not comparable: [leaderboard.md]({folder}/leaderboard.md).",
    ]
    return "\n\n".join(part for part in parts if part)


def _score(row: Standing) -> str:
    bounds = interval(row.ci_low, row.ci_high)
    return f"{percent(row.accuracy)} %" + (f" {bounds}" if bounds else "")

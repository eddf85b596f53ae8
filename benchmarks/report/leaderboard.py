"""The leaderboard as markdown and as CSV, and everything that is written beside it: pure functions of one results dict.

The same dict always gives the same bytes: nothing here reads a clock, a machine or a random number.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.files import csv_text, write_atomic
from benchmarks.formats import NONE, count, duration, escape, escaped, linked, table
from benchmarks.report import classification as classification_report
from benchmarks.report import figures
from benchmarks.report.epochs import epoch_log
from benchmarks.report.latex import bibliography, tex_table
from benchmarks.report.probabilities import CSV as PROBABILITIES_CSV
from benchmarks.report.probabilities import probabilities_csv, probabilities_page
from benchmarks.report.sections.ablations import ablations_section
from benchmarks.report.sections.affect import CSV_NAME, affect_csv, affect_section
from benchmarks.report.sections.audit import audit_section
from benchmarks.report.sections.budgets import budgets_section
from benchmarks.report.sections.cross_validated import cross_validated_section
from benchmarks.report.sections.headline import effort, headline, leak_warning
from benchmarks.report.sections.probabilities import FILE as PROBABILITIES
from benchmarks.report.sections.probabilities import probabilities_section
from benchmarks.report.sections.protocols import contrast_section
from benchmarks.report.sections.published import published_section
from benchmarks.report.sections.quantised import quantised_section
from benchmarks.report.sections.ranking import metrics_section, ranking_section, tests_section
from benchmarks.report.summary import FILE, summary_page
from benchmarks.results import (
    LeaderboardRow,
    Results,
    command_for,
    leaderboard_rows,
    member_rows,
    metric_columns,
    split_names,
)
from benchmarks.results.schema import Member

FIXED = {  # columns of leaderboard.csv printed with six decimals, as metrics are: no float noise reaches a diff
    "accuracy", "ci_low", "ci_high", "val_accuracy", "fit_accuracy", "cross_fit_accuracy",
    "cross_fit_log_loss",
}  # fmt: skip


def write(results: Results, folder: Path) -> list[Path]:
    """Write leaderboard.md, .csv and .tex, references.bib, classification report, confusions and epoch log into
    `folder`, which is results/<suite>; where the suite has them also the summary as README.md, and valence and arousal
    as CSV. Returns their paths."""
    texts = _texts(results, folder)
    if CSV_NAME not in texts:
        (folder / CSV_NAME).unlink(missing_ok=True)
    for name, text in texts.items():
        write_atomic(folder / name, text, rebuilt=True)
    return [folder / name for name in texts]


def _texts(results: Results, folder: Path) -> dict[str, str]:
    """Return what is written into a suite's folder, by the names of files."""
    texts = {
        "leaderboard.md": markdown(results),
        "leaderboard.csv": csv_table(results),
        "leaderboard.tex": tex_table(results),
        "references.bib": bibliography(results),
        "classification_report.md": classification_report.markdown(results),
        "classification_report.csv": classification_report.csv_table(results),
        "confusion.csv": classification_report.confusion_csv(results),
        "epochs.csv": epoch_log(results, folder / "predictions"),
    }
    if "summary" in results:
        texts[FILE] = summary_page(results)
    if results["probabilities"]["rows"]:
        texts |= {PROBABILITIES: probabilities_page(results), PROBABILITIES_CSV: probabilities_csv(results)}
    if "affect" in results:
        texts[CSV_NAME] = affect_csv(results)
    return texts


def csv_table(results: Results) -> str:
    """Return every member, ensemble and published result as CSV, best test accuracy first."""
    return csv_text(csv_columns(results), (_csv_cells(row, results) for row in leaderboard_rows(results)))


def csv_columns(results: Results) -> list[str]:
    """Name the columns: fields of a row, without those for reports alone, and one per metric."""
    names = [[column["name"] for column in metric_columns(results)] if known.name == "metrics" else [known.name]
             for known in fields(LeaderboardRow) if known.repr]  # fmt: skip
    return list(chain.from_iterable(names))


def _csv_cells(row: LeaderboardRow, results: Results) -> list[Any]:
    metrics = {column["name"]: row.metrics.get(column["name"]) for column in metric_columns(results)}
    return [
        _six(metrics[column]) if column in metrics else _cell(column, getattr(row, column))
        for column in csv_columns(results)
    ]


def _six(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def _cell(column: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column in FIXED:
        return _six(value)
    return f"{value:.6g}" if isinstance(value, float) else value


def markdown(results: Results) -> str:
    """Return the whole leaderboard: headline, tables of rows, published results, provenance, audit."""
    results = escaped(results)
    sections = [
        f"# {results['title']} leaderboard",
        headline(results),
        effort(results),
        leak_warning(results),
        f"What these numbers say, on one page: [{FILE}]({FILE})." if "summary" in results else "",
        *_figures(results, slice(1)),
        ranking_section(results),
        metrics_section(results),
        probabilities_section(results),
        tests_section(results),
        budgets_section(results),
        cross_validated_section(results),
        ablations_section(results),
        quantised_section(results),
        affect_section(results),
        *_figures(results, slice(1, None)),
        contrast_section(results),
        published_section(results),
        _not_run(results),
        _notes(results),
        _protocol(results),
        _external(results),
        _provenance(results),
        audit_section(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _figures(results: Results, some: slice) -> list[str]:
    """Embed those of the most telling figures, each with its title."""
    return [f"**{escape(entry.title)}**\n\n![{entry.alt}]({entry.file})" for entry in figures.index(results)[some]]


def _not_run(results: Results) -> str:
    body = [
        [item["name"], item["seed"], item["reason"], f"`{item['command']}`" if item["command"] else None]
        for item in results["not_run"]
    ]
    missing = table("Member|Seed|Reason|Command", body, right={1}) + "\n\n" if body else ""
    return (
        f"## Not run\n\n{missing}`python benchmark.py --list` shows the whole zoo; `{command_for(results)} --members "
        "NAME --train missing` adds any of it."
    )


def _notes(results: Results) -> str:
    return "## Notes\n\n" + "\n".join(f"- {note}" for note in results["notes"]) if results["notes"] else ""


def _protocol(results: Results) -> str:
    train, val, test = split_names(results)
    unit = results["protocol"]["unit"] if "protocol" in results else "images"
    over = "test images" if unit == "images" else f"{unit}, whose test images stand or fall together"
    tests = "exact two-sided McNemar tests on the same images"
    if unit != "images":
        tests += f", which take each image for independent and so separate rows too readily where it is {unit} that are"
    return (
        f"## Protocol\n\nMembers train on {train}; epochs, ensemble weights and the headline are chosen on {val}; "
        f"{test} is scored once, at the end. Intervals are 95 % percentile bootstrap intervals over {over}, p values "
        f"{tests}.{_folds(results)}"
    )


def _folds(results: Results) -> str:
    if "protocol" not in results or results["protocol"]["folds"] == 1:
        return ""
    protocol = results["protocol"]
    return (
        f"\n\nEvery member is trained once in each of {protocol['folds']} folds: tested on one part of the "
        f"{protocol['unit']} ({protocol['units']} in all), validated on the next, trained on the others. Ensembles are "
        "fitted fold by fold, on that fold's validation images alone, and the test images of all folds, each image in "
        "one of them, are scored together. Weights are means over the folds, *models*, parameters and FLOPs mean "
        "counts, the time of training that of all folds. Which method is the headline, and the temperatures of the "
        "audit, follow from the validation images of all folds together: these are the test images of other folds, "
        "seen there by other networks."
    )


def _external(results: Results) -> str:
    models = [(member, source) for member in results["members"] if (source := member["source"]) is not None]
    if not models:
        return ""
    body = [
        [
            model["name"], source["file"], f"`{source['sha256'][:12]}`", source["given"], model["extra_data"],
            linked(model["reference"]),
        ]
        for model, source in models
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
            member["image_size"], _epochs(member), row.init, linked(row.reference),
        ]
        for member, row in zip(results["members"], member_rows(results), strict=True)
    ]  # fmt: skip
    return "\n\n".join([fingerprint, table(head, body, right={4, 5, 6, 7, 8}), *_libraries(results)])


def _libraries(results: Results) -> list[str]:
    """Name the releases of libraries that decide what an ensemble is."""
    return [
        f"*{escape(ensemble['title'])}* was fitted by {ensemble['library']}; another release gives other numbers."
        for ensemble in results["ensembles"]
        if "library" in ensemble
    ]


def _epochs(member: Member) -> str | None:
    if member["epochs"] is None:
        return None
    return f"{NONE if member['best_epoch'] is None else member['best_epoch']} of {member['epochs']}"

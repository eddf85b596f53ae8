"""Compare two runs on the same images: `python benchmark.py compare A B`.

Row by row: what changed, and whether it is more than chance.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands.options import suite_arguments
from benchmarks.evaluation import metrics
from benchmarks.evaluation.row_classes import split_row_classes
from benchmarks.evaluation.significance import bootstrap_intervals, mcnemar
from benchmarks.formats import columns, labels, p_value, percent
from benchmarks.results import command_for, read_results
from benchmarks.session import Options, Session, options_from
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, load_targets
from benchmarks.text import printable
from ensembles import softmax
from ensembles.search import choose, search

HEADLINE, ENSEMBLE, MODEL = "headline", "ensemble", "model"


def arguments(parser: ArgumentParser) -> None:
    """Add the two runs, and which ensembles are searched in both."""
    runs = "A and B: folders of results, or of one suite's; what is printed is B minus A"
    parser.add_argument("runs", metavar="RUN", type=Path, nargs=2, help=runs)
    suite_arguments(parser, "--ensemblers", "--jobs", "--json")


def execute(arguments: Namespace) -> None:
    """Print the differences."""
    print(printable(report(options_from(arguments), *arguments.runs, as_json=arguments.json)))


@dataclass(frozen=True, eq=False)
class Run:
    """A run that was written to a folder: its models' predictions and what scores them."""

    folder: Path
    fingerprint: str
    targets: Targets
    predictions: tuple[Predictions, ...]


@dataclass(frozen=True)
class Row:
    """One model or ensemble on one side: kind, name and seed tell which row of the other side it is compared with."""

    kind: str
    name: str
    seed: int | None = None


Correct = dict[Row, np.ndarray]  # which test images each row gets right, bool [N]


def report(options: Options, a: Path, b: Path, *, as_json: bool) -> str:
    """Paired differences B minus A on test as text or JSON; raises ValueError where the two cannot be compared."""
    found = compare(options, a, b)
    return json.dumps(found, indent=1) if as_json else _text(found)


def compare(options: Options, a: Path, b: Path) -> dict[str, Any]:
    """Every model and ensemble of both runs, with the difference of its accuracies and a paired bootstrap interval.

    Ensembles are searched anew on both sides, by the same code with the same seeds, so that a difference is one of the
    members. Raises ValueError where a folder holds no run or the runs are on different data.
    """
    session = Session(options)
    runs = [_read(folder, session.suite.name) for folder in (a, b)]
    if runs[0].fingerprint != runs[1].fingerprint:
        raise ValueError(
            f"{a} is of data {runs[0].fingerprint}, {b} of {runs[1].fingerprint}: differences are paired image by "
            "image, and these are other images"
        )
    sides = [_correctness(run, session) for run in runs]
    names = _names([*sides[0], *sides[1]])
    return {
        "suite": session.suite.name,
        "split": session.suite.split_names[2],
        "images": len(runs[0].targets.test),
        "a": str(a),
        "b": str(b),
        "rows": _differences(names, *sides),
        "only_a": _rest(names, *sides),
        "only_b": _rest(names, *reversed(sides)),
    }


def _read(folder: Path, suite: str) -> Run:
    """The run in `folder`, which is a suite's or holds the suite's: the members that its results.json lists."""
    home = next((home for home in (folder / suite, folder) if (home / "results.json").is_file()), None)
    if home is None:
        raise ValueError(f"{folder}: holds no run of {suite} (neither {suite}/results.json nor results.json)")
    results = read_results(home / "results.json")
    if results["suite"] != suite:
        raise ValueError(f"{folder}: is a run of {results['suite']}, not of {suite}; name it: {command_for(results)}")
    if "protocol" in results and results["protocol"]["folds"] > 1:
        raise ValueError(f"{folder}: {suite} is in folds, and runs in folds are not compared image by image yet")
    store, fingerprint = PredictionStore(home / "predictions"), results["data_fingerprint"]
    targets = load_targets(store.folder, fingerprint)
    files = {path.name.split(".")[-2]: path for path in store.prediction_files()}
    missing = [member["name"] for member in results["members"] if member["hash"] not in files]
    if missing:
        raise ValueError(f"{home}: the predictions of {', '.join(missing)} are not there; run it anew")
    found = tuple(store.read(files[member["hash"]], targets) for member in results["members"])
    return Run(home, fingerprint, targets, found)


def _correctness(run: Run, session: Session) -> Correct:
    """Which test images each row gets right: the headline, the ensembles, the models."""
    members, _ = split_row_classes(run.predictions, session.suite.extra_labels, run.targets.val)
    val, test = (np.stack([getattr(member, split) for member in members]) for split in ("val", "test"))
    targets = run.targets
    found = search(val, targets.val, session.ensemblers, n_jobs=session.jobs(val.size))
    fitted = {one.name: one.ensembler.predict_proba(test) for one in found if one.ensembler is not None}
    right = {Row(ENSEMBLE, name): metrics.correctness(rows, targets.test) for name, rows in fitted.items()}
    headline = {Row(HEADLINE, HEADLINE): right[Row(ENSEMBLE, choose(found).name)]} if fitted else {}
    models = {
        Row(MODEL, one.configuration.name, one.configuration.seed): metrics.correctness(softmax(one.test), targets.test)
        for one in run.predictions
    }
    return {**headline, **right, **models}


def _names(rows: list[Row]) -> dict[Row, str]:
    """What both tables call each row, in the order of the rows."""
    models = list(dict.fromkeys(row for row in rows if row.kind == MODEL))
    titles = dict(zip(models, labels((row.name, row.seed) for row in models), strict=True))
    return {row: titles.get(row, row.name) for row in rows}


def _differences(names: dict[Row, str], a: Correct, b: Correct) -> list[dict[str, Any]]:
    """Of the rows that both sides have, what B gained over A."""
    shared = [row for row in names if row in a and row in b]
    if not shared:
        return []
    gains = np.stack([b[row].astype(np.float32) - a[row] for row in shared])
    intervals = bootstrap_intervals(gains)
    return [
        {
            "kind": row.kind,
            "name": names[row],
            "a": round(float(a[row].mean()), 6),
            "b": round(float(b[row].mean()), 6),
            "difference": round(float(gain.mean()), 6),
            "interval": [round(float(bound), 6) for bound in bounds],
            "p": round(mcnemar(a[row], b[row]), 6),
        }
        for row, gain, bounds in zip(shared, gains, intervals, strict=True)
    ]


def _rest(names: dict[Row, str], here: Correct, there: Correct) -> list[dict[str, Any]]:
    """Rows that only one side has."""
    alone = [row for row in names if row in here and row not in there]
    return [{"kind": row.kind, "name": names[row], "accuracy": round(float(here[row].mean()), 6)} for row in alone]


def _text(found: dict[str, Any]) -> str:
    rows = [
        {
            "kind": row["kind"],
            "name": row["name"],
            "A": percent(row["a"]),
            "B": percent(row["b"]),
            "B - A": f"{100.0 * row['difference']:+.2f}",
            "95 % interval": "{:+.2f} to {:+.2f}".format(*(100.0 * bound for bound in row["interval"])),
            "McNemar p": p_value(row["p"]),
        }
        for row in found["rows"]
    ]
    lines = [
        f"A: {found['a']}",
        f"B: {found['b']}",
        f"Accuracy on {found['split']} ({found['images']:,} images) in per cent, differences in points; intervals by "
        "bootstrap over the images, paired; ensembles searched anew on both sides.",
        "",
        columns(rows) if rows else "The two runs have no row in common.",
    ]
    for side in ("a", "b"):
        alone = [f"{row['name']} ({percent(row['accuracy'])} %)" for row in found[f"only_{side}"]]
        lines += [f"only in {side.upper()}: {', '.join(alone)}"] if alone else []
    return "\n".join(lines)

"""Precision, recall, F1 and confusions of every class: markdown for headline and best member, CSV for all members.

Drawn from the confusion matrices in the results. Where nothing was predicted as a class its precision is 0, as is the
recall of a class without images; averages are over the classes that occur as a target or as a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.files import csv_text
from benchmarks.formats import escape, escaped, percent, table
from benchmarks.results import Results, best_single
from benchmarks.results.analyses import Confusion


@dataclass(frozen=True)
class Line:
    """A class or an average: three fractions, and how many test images it is of."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def lines(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> list[Line]:
    """Return a line per class, then `accuracy`, and the averages: each class alike, and each by its images."""
    matrix = np.asarray(counts, dtype=np.float64)
    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    columns = (_share(right, predicted), _share(right, support), _share(2 * right, support + predicted))
    scores = np.stack(columns, axis=1)
    occurs, total = support + predicted > 0, int(matrix.sum())
    averages = {
        "accuracy": np.full(3, right.sum() / total),
        "macro average": scores[occurs].mean(axis=0),
        "weighted average": support @ scores / total,
    }
    return [
        *(_line(name, own, count) for name, own, count in zip(classes, scores, support, strict=True)),
        *(_line(name, mean, total) for name, mean in averages.items()),
    ]


def _line(name: str, scores: np.ndarray, support: float) -> Line:
    precision, recall, f1 = scores.tolist()
    return Line(name, precision, recall, f1, int(support))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def markdown(results: Results) -> str:
    """Report the headline ensemble and the best single member, a table each."""
    results = escaped(results)
    test = results["splits"]["test"]
    parts = [
        f"# {results['title']}: classification report",
        f"On {test['name']} ({test['size']:,} images), in per cent; averages over the classes alike (macro) and by "
        "their images (weighted). Confusions are counts: a row per true class, a column per class that was answered. "
        "All members: [classification_report.csv](classification_report.csv), [confusion.csv](confusion.csv).",
    ]
    single = best_single(results)
    for model in results["confusions"]:
        ensemble = model["kind"] == "ensemble"
        if ensemble or (single is not None and model["title"] == single.title):
            role = "the headline" if ensemble else f"best single member on {results['splits']['val']['name']}"
            tables = (_table(model, results), _counts(model, results))
            parts.append("\n\n".join((f"## {escape(model['title'])}: {role}", *tables)))
    return "\n\n".join(parts) + "\n"


def _table(model: Confusion, results: Results) -> str:
    body = [
        [line.name, percent(line.precision), percent(line.recall), percent(line.f1), f"{line.support:,}"]
        for line in lines(model["counts"], results["classes"])
    ]
    return table("Class|Precision|Recall|F1|Support", body, right={1, 2, 3, 4})


def _counts(model: Confusion, results: Results) -> str:
    classes = results["classes"]
    body = [[name, *(f"{count:,}" for count in row)] for name, row in zip(classes, model["counts"], strict=True)]
    return table(("true class", *classes), body, right=set(range(1, len(classes) + 1)))


def confusion_csv(results: Results) -> str:
    """Report the confusions of every member and the headline as CSV, a line per true class, a column per answer."""
    classes = results["classes"]
    rows = [
        [model["kind"], model["title"], name, *counts]
        for model in results["confusions"]
        for name, counts in zip(classes, model["counts"], strict=True)
    ]
    return csv_text(("kind", "name", "class", *(f"as {name}" for name in classes)), rows)


def csv_table(results: Results) -> str:
    """Report every member and the headline as CSV, a line per class and average."""
    rows: list[list[object]] = []
    for model in results["confusions"]:
        for line in lines(model["counts"], results["classes"]):
            scores = (f"{value:.6f}" for value in (line.precision, line.recall, line.f1))
            rows.append([model["kind"], model["title"], line.name, *scores, line.support])
    return csv_text(("kind", "name", "class", "precision", "recall", "f1", "support"), rows)

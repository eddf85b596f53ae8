"""Every member's training, epoch by epoch, with the best accuracy on val so far: epochs.csv of a suite."""

from __future__ import annotations

import csv
import io
from itertools import accumulate
from pathlib import Path

from benchmarks.report.histories import History, history_paths, read_history
from benchmarks.results import Results

MEASURED = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


def epoch_log(results: Results, predictions: Path) -> str:
    """A line an epoch of every member and fold whose history lies beside its predictions.

    `best_so_far` is the best val accuracy up to the epoch; `new_best` marks epochs that were better than any before, at
    equal accuracy by val loss: the last of these is the one that was kept.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("member", "fold", "epoch", *MEASURED, "best_so_far", "new_best"))
    for member in results["members"]:
        paths = history_paths(member, predictions)
        for fold, path in enumerate(paths, start=1):
            writer.writerows(_rows(member["label"], fold if len(paths) > 1 else "", read_history(path)))
    return text.getvalue()


def _rows(label: str, fold: int | str, history: History) -> list[list[object]]:
    accuracies = history.get("val_accuracy", [])
    losses = history.get("val_loss", [0.0] * len(accuracies))
    best = list(accumulate(zip(accuracies, (-loss for loss in losses), strict=True), max))
    measured = zip(*(history.get(name, [""] * len(accuracies)) for name in MEASURED), strict=True)
    return [
        [label, fold, place + 1, *values, best[place][0], "yes" if best[place] not in best[:place] else ""]
        for place, values in enumerate(measured)
    ]

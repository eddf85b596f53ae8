"""Training epoch by epoch: the histories beside the stored predictions, and epochs.csv, which has those of all members.

A history is a CSV of a member, seed and fold, with a line an epoch.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from statistics import fmean

from benchmarks.files import DamagedFile, csv_text, read_csv
from benchmarks.results import Results
from benchmarks.results.schema import MemberFacts

MEASURED = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
History = dict[str, list[float]]


def history_paths(member: MemberFacts, predictions: Path) -> list[Path]:
    """Return where the histories of a member lie in a suite's predictions: one, or one per fold.

    None of a model without a seed.
    """
    if member["seed"] is None:
        return []
    hashes = member.get("folds") or [member["hash"]]
    return [predictions / f"{member['name']}.s{member['seed']}.{digest}.csv" for digest in hashes]


def member_history(member: MemberFacts, predictions: Path) -> History:
    """Read the columns of a member's training history; empty where there is none that can be read.

    Of folds, means as far as the shortest history goes.
    """
    histories = [_history(path) for path in history_paths(member, predictions)]
    if len(histories) < 2:
        return histories[0] if histories else {}
    shared = [name for name in histories[0] if all(name in history for history in histories)]
    columns = {name: zip(*(history[name] for history in histories), strict=False) for name in shared}
    return {name: [fmean(values) for values in column] for name, column in columns.items()}


def damaged_histories(results: Results, predictions: Path) -> list[str]:
    """Name the training histories that no report can show, with what is wrong with each."""
    reasons = []
    for path in (path for member in results["members"] for path in history_paths(member, predictions)):
        try:
            read_history(path)
        except DamagedFile as error:
            reasons.append(str(error))
    return reasons


def _history(path: Path) -> History:
    try:
        return read_history(path)
    except DamagedFile:
        return {}  # `damaged_histories` tells of it, and the member's row needs none


def read_history(path: Path) -> History:
    """Read the columns of a training history; empty where there is none.

    Raises DamagedFile where the file holds no numbers.
    """
    rows = read_csv(path)
    try:
        return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
    except ValueError as error:
        raise DamagedFile(f"{path.name}: is no training history ({error}); remove it or restore it") from error


def epoch_log(results: Results, predictions: Path) -> str:
    """Write a line per epoch of every member and fold whose history lies beside its predictions.

    `best_so_far` is the best val accuracy up to the epoch; `new_best` marks epochs that were better than any before, at
    equal accuracy by val loss: the last of these is the one that was kept.
    """
    rows: list[list[object]] = []
    for member in results["members"]:
        paths = history_paths(member, predictions)
        for fold, path in enumerate(paths, start=1):
            rows += _rows(member["label"], fold if len(paths) > 1 else None, _history(path))
    return csv_text(("member", "fold", "epoch", *MEASURED, "best_so_far", "new_best"), rows)


def _rows(label: str, fold: int | None, history: History) -> list[list[object]]:
    accuracies = history.get("val_accuracy", [])
    losses = history.get("val_loss", [0.0] * len(accuracies))
    best = list(accumulate(zip(accuracies, (-loss for loss in losses), strict=True), max))
    measured = zip(*(history.get(name, [""] * len(accuracies)) for name in MEASURED), strict=True)
    return [
        [label, fold, place + 1, *values, best[place][0], "yes" if best[place] not in best[:place] else ""]
        for place, values in enumerate(measured)
    ]

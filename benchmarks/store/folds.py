"""Which data a store is of where no images can be asked: the folds of a data set, or the data with most predictions.

A data set in folds has a fingerprint for each fold; one file lists them in their order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.files import DamagedFile, write_atomic
from benchmarks.shapes import read_json
from benchmarks.store.container import StoreError, read_header
from benchmarks.store.file_names import prediction_files
from benchmarks.store.headers import PredictionsHeader
from benchmarks.store.locks import locked
from benchmarks.store.targets import Targets, load_targets, read_targets


def save_folds(folder: Path, fingerprints: Sequence[str]) -> None:
    """Keep in a store's folder which data sets are the folds of one, in their order."""
    with locked(folder):
        write_atomic(folder / f"folds.{fingerprints[0][:12]}.json", json.dumps(list(fingerprints), indent=1) + "\n")


def fold_sets(folder: Path) -> list[list[str]]:
    """Read the fingerprints of the folds of every data set in folds that a store keeps; raise StoreError."""
    return [_read_folds(path) for path in sorted(folder.glob("folds.*.json"))]


def stored_folds(folder: Path) -> list[str]:
    """Read the fingerprints of the folds, in their order; of several data sets those with most predictions; or none.

    Raises StoreError where a file is damaged.
    """
    return max(fold_sets(folder), key=lambda folds: sum(_predictions_of(folder, fold) for fold in folds), default=[])


def stored_targets(folder: Path, fold: int | None = None) -> Targets | None:
    """Load the targets of a fold; without folds, of several data sets those of the one with most predictions.

    None where the store has none. Raises StoreError where a file is damaged.
    """
    if fold is not None:
        folds = stored_folds(folder)
        return load_targets(folder, folds[fold]) if fold < len(folds) else None
    kept = sorted(folder.glob("targets.*.safetensors"))
    if len(kept) < 2:
        return read_targets(kept[0]) if kept else None
    return read_targets(max(kept, key=lambda path: _predictions_of(folder, path.name.split(".")[1])))


def _predictions_of(folder: Path, fingerprint: str) -> int:
    """Count the files that hold predictions on the data whose fingerprint begins so."""
    count = 0
    for path in prediction_files(folder):
        try:
            count += read_header(path, PredictionsHeader)["configuration"]["data"].startswith(fingerprint)
        except StoreError:
            continue  # named when its member is loaded
    return count


def _read_folds(path: Path) -> list[str]:
    advice = "restore it, or remove it: a run with --data DIR writes it anew"
    try:
        folds: list[str] = read_json(path, list[str], advice)
    except DamagedFile as error:
        raise StoreError(str(error)) from error
    if not folds:
        raise StoreError(f"{path.name}: lists no folds; {advice}")
    return folds

"""What views at test time are worth: means over members of what `commands/tta` has measured on val."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.evaluation.metrics import log_loss
from benchmarks.files import CsvRow, read_csv
from benchmarks.results.analyses import Views
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax

FILE = "tta.csv"
AGREES = 1e-3  # of log-loss on val: other machines and precisions differ by less, networks trained anew by more


def stored_views(
    folder: Path, models: Sequence[Predictions] | None, targets: Targets
) -> tuple[list[CsvRow], list[str]]:
    """Return the rows of the table in a suite's folder whose members are among `models` as they were, and a note where
    there are others; all rows, where `models` are None. Raises DamagedFile."""
    table = read_csv(folder / FILE, ("stem", "tta"), ("val_accuracy", "val_log_loss", "seconds"))
    old = [] if models is None else of_other_weights(table, models, targets)
    notes = (
        [f"{FILE}: left out, trained anew since or not here: {', '.join(old)}; python benchmark.py tta"] if old else []
    )
    return [row for row in table if row["stem"] not in old], notes


def of_other_weights(rows: Sequence[CsvRow], models: Sequence[Predictions], targets: Targets) -> list[str]:
    """Return the stems in a table of views whose members are not among `models`, or were trained anew since: with the
    member's own views, the table has another log-loss than what it predicts."""
    stored = {model.configuration.stem: model for model in models if isinstance(model.configuration, Configuration)}
    old = {row["stem"] for row in rows} - stored.keys()
    for row in rows:
        model = stored.get(row["stem"])
        if model is None or row["tta"] != model.provenance.get("tta"):
            continue
        if abs(log_loss(softmax(model.val), targets.val) - float(row["val_log_loss"])) > AGREES:
            old.add(row["stem"])
    return sorted(old)


def views_worth(rows: Sequence[CsvRow]) -> list[Views]:
    """Average each kind of views over the members that have all kinds; `gain` is over no views."""
    kinds = list(dict.fromkeys(row["tta"] for row in rows))
    by_stem: dict[str, dict[str, CsvRow]] = {}
    for row in rows:
        by_stem.setdefault(row["stem"], {})[row["tta"]] = row
    complete = {stem: by_kind for stem, by_kind in by_stem.items() if set(by_kind) == set(kinds)}

    def mean(kind: str, column: str) -> float:
        return float(np.mean([float(by_kind[kind][column]) for by_kind in complete.values()]))

    return [
        {
            "tta": kind,
            "members": list(complete),
            "val_accuracy": mean(kind, "val_accuracy"),
            "gain": mean(kind, "val_accuracy") - mean("none", "val_accuracy"),
            "log_loss": mean(kind, "val_log_loss"),
            "seconds": mean(kind, "seconds"),
        }
        for kind in (kinds if complete else ())
    ]

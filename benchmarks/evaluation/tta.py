"""What views at test time are worth: means over members of what `commands/tta` has measured on val."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.files import CsvRow
from benchmarks.results.analyses import Views


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

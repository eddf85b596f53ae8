"""What one change is worth, on val alone: variants beside their networks, and views at test time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.formats import duration, fraction, p_value, percent, points, table
from benchmarks.results import Results
from benchmarks.results.analyses import Ablation, Views


def ablations_section(results: Results) -> str:
    """Return what each variant is worth, a table per network, and views at test time; or nothing."""
    rows, seen = results["ablations"], views_table(results["views"])
    if not rows and not seen:
        return ""
    splits = results["splits"]
    head = "Variant|What changes|Seeds|Val|Difference|p|Log-loss|Difference|Training|of the network"
    tables = [
        f"Of {network}:\n\n"
        + table(head, [_cells(row) for row in rows if row["network"] == network], right=set(range(3, 10)))
        for network in dict.fromkeys(row["network"] for row in rows)
    ]
    about = (
        f"Each variant beside its network with the same seeds, on {splits['val']['name']} ({splits['val']['size']:,} "
        f"images) alone, so that what is kept is not chosen on {splits['test']['name']}. Differences are in points and "
        "nats, p values McNemar's."
    )
    return "\n\n".join(block for block in ("## What one change is worth", about, *tables, seen) if block)


def _cells(row: Ablation) -> list[Any]:
    return [
        row["variant"],
        "; ".join(row["changes"]),
        ", ".join(map(str, row["seeds"])),
        percent(row["val_accuracy"]),
        points(row["difference"]),
        p_value(row["p"]),
        fraction(row["log_loss"]),
        f"{row['log_loss_difference']:+.3f}",
        duration(row["train_seconds"]),
        duration(row["network_seconds"]),
    ]


def views_table(views: Sequence[Views]) -> str:
    """Return what views at test time are worth, as a table with a sentence; empty where nothing was measured."""
    if not views:
        return ""
    body = [
        [
            row["tta"],
            percent(row["val_accuracy"]),
            f"{100 * row['gain']:+.2f}",
            f"{row['log_loss']:.4f}",
            f"{row['seconds']:.1f}",
        ]
        for row in views
    ]
    names = ", ".join(stem.rpartition(".")[0] for stem in views[0]["members"])
    head = "Views|Val|Gain, points|Log-loss|Seconds"
    return (
        "Views at test time, means on val of the same trained weights, which were chosen without any of them "
        f"({names}):\n\n{table(head, body, right={1, 2, 3, 4})}"
    )

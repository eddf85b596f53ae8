"""What one change is worth: `network@variant` beside `network`, on val alone, with the same seeds.

Test accuracies of variants stand in the ranking like any member's; which change is kept must not follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.commands import tta as views
from benchmarks.evaluation.metrics import log_loss
from benchmarks.evaluation.significance import mcnemar
from benchmarks.formats import duration, fraction, p_value, percent, points, table
from benchmarks.results import EXTRA_LABELS, Results
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles.base import softmax
from zoo.recipes import differences
from zoo.registry import without_one

Seeds = dict[int, Predictions]


def ablations(predictions: Sequence[Predictions], targets: Targets) -> list[dict[str, Any]]:
    """A row a variant that shares a seed with its network, in their order; empty where there is none. The network is
    the variant's name without its last part or, where that is not at hand, without another one.

    Accuracy, log-loss and seconds are means over the shared seeds, `difference` that of the accuracies, and `p` is
    McNemar's over the images of all of them, which takes the answers of two seeds to one image for independent.
    """
    by_name: dict[str, Seeds] = {}
    for one in predictions:
        if isinstance(one.configuration, Configuration):
            by_name.setdefault(one.configuration.name, {})[one.configuration.seed] = one
    rows = []
    for name, variant in by_name.items():
        for part, network in without_one(name):
            base = by_name.get(network, {})
            shared = sorted(variant.keys() & base.keys())
            if shared:
                pairs = [(variant[seed], base[seed]) for seed in shared]
                mark = f" {EXTRA_LABELS}" if pairs[0][0].provenance.get("extra_labels") else ""
                rows.append({"name": name, "variant": part + mark, "network": network, **_compared(pairs, targets)})
                break
    return rows


def _compared(pairs: Sequence[tuple[Predictions, Predictions]], targets: Targets) -> dict[str, Any]:
    """Of variant and network, one pair a seed."""
    variant, base = ([pair[side] for pair in pairs] for side in (0, 1))
    new, old = (np.concatenate([one.val.argmax(1) == targets.val for one in some]) for some in (variant, base))
    return {
        "changes": _changes(base[0], variant[0]),
        "seeds": [one.configuration.seed for one in variant],
        "val_accuracy": float(new.mean()),
        "difference": float(new.mean() - old.mean()),
        "p": mcnemar(new, old),
        "log_loss": _log_loss(variant, targets),
        "log_loss_difference": _log_loss(variant, targets) - _log_loss(base, targets),
        "train_seconds": _seconds(variant),
        "network_seconds": _seconds(base),
    }


def _changes(base: Predictions, variant: Predictions) -> list[str]:
    """`epochs was 30, is 40`; the number of parameters and the names go without saying."""
    kept = ("recipe", "image_size", "init", "weights")
    old, new = ({key: one.configuration.facts().get(key, "") for key in kept} for one in (base, variant))
    found = differences(old, new)
    return [change.removeprefix("recipe.") for change in found]


def _log_loss(some: Sequence[Predictions], targets: Targets) -> float:
    return float(np.mean([log_loss(softmax(one.val), targets.val) for one in some]))


def _seconds(some: Sequence[Predictions]) -> float:
    return float(np.mean([one.provenance["train_seconds"] for one in some]))


def ablations_section(results: Results) -> str:
    """The rows as a markdown section, a table a network, and what views at test time are worth; or nothing."""
    rows, seen = results.get("ablations", []), views.section(results.get("views", []))
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


def _cells(row: dict[str, Any]) -> list[Any]:
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

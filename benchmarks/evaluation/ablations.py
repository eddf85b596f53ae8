"""What one change is worth: `network@variant` beside `network`, on val alone, with the same seeds.

Test accuracies of variants stand in the ranking like any member's; which change is kept must not follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation.metrics import log_loss
from benchmarks.evaluation.significance import mcnemar
from benchmarks.results import EXTRA_LABELS
from benchmarks.results.analyses import Ablation
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax
from zoo.recipes import differences
from zoo.registry import without_one

Seeds = dict[int, Predictions]


def ablations(predictions: Sequence[Predictions], targets: Targets) -> list[Ablation]:
    """Compare each variant with its network on val, over the seeds that both have.

    The network is the variant's name without its last part or, where that is missing, without another part. Variants
    without a network are left out.

    Accuracy, log-loss and seconds are means over the shared seeds, `difference` that of the accuracies, and `p` is
    McNemar's over the images of all of them, which takes the answers of two seeds to one image for independent.
    """
    by_name: dict[str, Seeds] = {}
    for member in predictions:
        if isinstance(member.configuration, Configuration):
            by_name.setdefault(member.configuration.name, {})[member.configuration.seed] = member
    rows: list[Ablation] = []
    for name, variant in by_name.items():
        for part, network in without_one(name):
            base = by_name.get(network, {})
            shared = sorted(variant.keys() & base.keys())
            if shared:
                mark = f" {EXTRA_LABELS.mark}" if variant[shared[0]].provenance.get("extra_labels") else ""
                names = {"name": name, "variant": part + mark, "network": network}
                rows.append(_compared(names, shared, variant, base, targets))
                break
    return rows


def _compared(
    names: dict[str, str], shared: Sequence[int], variants: Seeds, bases: Seeds, targets: Targets
) -> Ablation:
    """Compare a variant and its network over the seeds that both have."""
    variant, base = ([side[seed] for seed in shared] for side in (variants, bases))
    new, old = (
        np.concatenate([member.val.argmax(1) == targets.val for member in members]) for members in (variant, base)
    )
    return {
        "name": names["name"],
        "variant": names["variant"],
        "network": names["network"],
        "changes": _changes(base[0], variant[0]),
        "seeds": list(shared),
        "val_accuracy": float(new.mean()),
        "difference": float(new.mean() - old.mean()),
        "p": mcnemar(new, old),
        "log_loss": _log_loss(variant, targets),
        "log_loss_difference": _log_loss(variant, targets) - _log_loss(base, targets),
        "train_seconds": _seconds(variant),
        "network_seconds": _seconds(base),
    }


def _changes(base: Predictions, variant: Predictions) -> list[str]:
    """List what the variant changes, as `epochs was 30, is 40`, without the number of parameters and names."""
    kept = ("recipe", "image_size", "init", "weights")
    old, new = ({key: member.configuration.facts().get(key, "") for key in kept} for member in (base, variant))
    changes = differences(old, new)
    return [change.removeprefix("recipe.") for change in changes]


def _log_loss(members: Sequence[Predictions], targets: Targets) -> float:
    return float(np.mean([log_loss(softmax(member.val), targets.val) for member in members]))


def _seconds(members: Sequence[Predictions]) -> float:
    return float(np.mean([member.provenance["train_seconds"] for member in members]))

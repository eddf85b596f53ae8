"""Where a member's first weights come from that another suite's training has left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.data import DataOptions, Dataset
from benchmarks.data.expressions import shared_classes
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.weights import read_weights, shared_weights, trained_members, weights_digest, weights_path
from benchmarks.suites.training_images import overlap_note
from zoo.recipes import named_members

if TYPE_CHECKING:
    from zoo.pretrained.warm_start import WarmStart


def warm_start(
    configuration: Configuration, dataset: Dataset, store: PredictionStore
) -> tuple[WarmStart | None, dict[str, Any]]:
    """Return what the member starts from where that is what another suite's training has left, and what its provenance
    says of it.

    Raises ValueError where those weights are not at hand, with the command that makes them, where the suites share
    fewer than two classes, or where most test images stand among those that the weights were trained on.
    """
    origin = configuration.member.trained_elsewhere
    if origin is None:
        return None, {}
    from zoo.pretrained.warm_start import WarmStart

    suite, text = origin
    [(name, seed)] = named_members(text)
    folder = store.folder.parent.parent / suite
    targets = stored_targets(folder / "predictions")
    found = [one for one in trained_members(folder) if (one.name, one.seed) == (name, seed)]
    if targets is None or not found:
        raise ValueError(
            f"{configuration.name} starts from {name}, seed {seed}, of {suite}, whose predictions and weights are not "
            f"both in {folder}: --suite {suite} --members {name} --seeds {seed} --train always"
        )
    images = dataset.test.images
    remark = overlap_note(suite, targets.fingerprint, folder.parent, DataOptions(), images)
    path = weights_path(folder / "checkpoints", found[0])
    classes = shared_classes(targets.classes, dataset.classes)
    start = WarmStart(read_weights(path)[0], classes, len(targets.classes))
    return start, {
        "extra_data": f"starts from weights trained on {suite}",
        "started_from": {f"{suite}:{shared_weights(name, seed)}": weights_digest(path)},
        "remarks": [remark] if remark else [],
    }

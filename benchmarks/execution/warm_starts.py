"""Where a member's first weights come from that another suite's training has left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.data import DataOptions, Dataset
from benchmarks.data.expressions import shared_classes
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.weights import read_weights, shared_weights, stored_members, weights_digest, weights_path
from benchmarks.suites.training_images import overlap_note
from zoo.pretrained.released import released_in
from zoo.recipes import named_members
from zoo.registry import trained_as

if TYPE_CHECKING:
    from torch import Tensor

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
    found = None if targets is None else _trained(folder, name, seed)
    if targets is None or found is None:
        raise ValueError(
            f"{configuration.name} starts from {name}, seed {seed}, of {suite}, whose predictions and weights are not "
            f"both in {folder}: --suite {suite} --members {name} --seeds {seed} --train always"
        )
    images = dataset.test.images
    remark = overlap_note(suite, targets.fingerprint, folder.parent, DataOptions(), images)
    classes = shared_classes(targets.classes, dataset.classes)
    return WarmStart(found.weights, classes, len(targets.classes)), {
        "extra_data": f"starts from {found.kind} trained on {suite}",
        "started_from": {f"{suite}:{shared_weights(name, seed)}": found.digest},
        "remarks": [remark] if remark else [],
    }


class Found(NamedTuple):
    """Trained weights by name, what to call them, and their SHA-256."""

    weights: Mapping[str, Tensor]
    kind: str
    digest: str


def _trained(folder: Path, name: str, seed: int) -> Found | None:
    """Find what a member's training has left in a suite's results: its weights, or else the model released from them;
    None where neither is there."""
    kept = [one for one in stored_members(folder) if (trained_as(one.member).name, one.seed) == (name, seed)]
    for one in kept:
        path = weights_path(folder / "checkpoints", one)
        if one.name == name and path.exists():
            return Found(read_weights(path).weights, "weights", weights_digest(path))
    model = released_in(folder) if kept else None
    if model is None or model.hash not in {one.hash for one in kept}:
        return None
    weights, digest = model.read()
    return Found(weights, "released weights", digest)

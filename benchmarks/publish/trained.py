"""Members with their trained weights, as an export needs them: those that made the stored predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration, Transferred
from benchmarks.store.predictions import Predictions
from benchmarks.store.weights import read_weights, weights_digest, weights_path
from zoo.member import Member

if TYPE_CHECKING:
    from torch import Tensor

OF_ONE_TRAINING = ("created", "train_seconds", "images_per_second", "best_epoch", "code")
"""What the provenance of weights and of predictions made with them have in common, and no other training has."""


class WeightsMissing(ValueError):
    """Weights are not at hand, or not those that are needed; the message says how to get them."""


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A member as reports name it, with its weights (of one network or several) and their SHA-256."""

    label: str
    configuration: Configuration
    weights: Mapping[str, Tensor]
    digest: str
    image_shape: tuple[int, int, int] | None  # of the images that it learnt from, as stored; None: not known

    @property
    def member(self) -> Member:
        return self.configuration.member

    @property
    def classes(self) -> int:
        return self.configuration.num_classes

    @cached_property
    def passes_shared_with(self) -> tuple[str, str]:
        """What members have in common whose networks see the same images, in whatever views."""
        recipe = self.member.recipe
        return self.digest, json.dumps([self.member.image_size, recipe.preprocess, recipe.normalise, recipe.crop_ratio])


def load_trained(checkpoints: Path, predictions: Predictions, label: str) -> TrainedMember:
    """Load the weights that made these predictions from a suite's folder of checkpoints.

    Raises WeightsMissing, also where the weights that lie there are of another training: what is said of a file was
    measured with its own.
    """
    configuration = predictions.configuration
    if not isinstance(configuration, Configuration):
        raise WeightsMissing(f"{label} was trained elsewhere, and its weights are not known here")
    if isinstance(configuration, Transferred):
        raise WeightsMissing(f"{label} was trained on {configuration.suite}: export it there (--suite)")
    if configuration.member.features_of:
        raise WeightsMissing(f"{label} is XGBoost on the features of a network: its trees are not kept, nor exported")
    if configuration.member.recipe.preprocess == "align":
        raise WeightsMissing(f"{label} sees faces that the landmarks of another network have moved: no file holds both")
    path = weights_path(checkpoints, configuration)
    if not path.exists():
        raise WeightsMissing(f"the weights of {label} are not at hand: {path.name} is not in {checkpoints}")
    try:
        weights, provenance, _ = read_weights(path)
    except StoreError as error:
        raise WeightsMissing(f"the weights of {label} are damaged: {path} ({error})") from error
    if differing := _other_training(provenance, predictions.provenance):
        raise WeightsMissing(
            f"the weights of {label} at hand are not those that made its stored predictions ({path}: {differing})"
        )
    shape = provenance.get("image_shape")
    return TrainedMember(
        label, configuration, weights, weights_digest(path), (shape[0], shape[1], shape[2]) if shape else None
    )


def _other_training(weights: Mapping[str, Any], predictions: Mapping[str, Any]) -> str | None:
    """Say in what two provenances differ that one training cannot differ in."""
    for key in OF_ONE_TRAINING:
        if weights.get(key) != predictions.get(key):
            return f"{key} is {weights.get(key)} there and {predictions.get(key)} in the store"
    return None

"""What an exported model is made of, and what the project itself says of images with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.publish.thresholds import Calibration
from benchmarks.publish.trained import TrainedMember
from ensembles import softmax
from ensembles.base import Ensembler
from zoo.use.bundle import Crop


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """Trained members, the ensembler that combines them (None: there is one member), and their calibration.

    `members` are those that the ensembler uses, in its order. `image_shape` is [channels, height, width] of the images
    that they learnt from, as stored.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    members: Sequence[TrainedMember]
    fitted: Ensembler | None
    calibration: Calibration
    image_shape: tuple[int, int, int]

    @property
    def crop(self) -> Crop:
        """How faces are cut out for it."""
        return Crop(size=self.image_shape[1], colour="grey" if self.image_shape[0] == 1 else "rgb")

    @property
    def shared(self) -> list[list[TrainedMember]]:
        """The members by the passes that they share: those of one list have the same weights and see the same images,
        in whatever views."""
        lists: dict[tuple[str, str], list[TrainedMember]] = {}
        for one in self.members:
            lists.setdefault(one.passes_shared_with, []).append(one)
        return list(lists.values())

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities [N, classes] of stored images, uint8 [N,C,H,W], by the project's own path."""
        from zoo.inference.predict import predict

        given = [predict(one.member, dict(one.weights), images, len(self.classes), "cpu") for one in self.members]
        if self.fitted is None:
            return self.calibration.scaled(softmax(given[0]))
        everyone, used = int(self.fitted._fitted_shape_[0]), self.fitted.members_used_
        logits = np.zeros((everyone, *given[0].shape), dtype=np.float32)  # of those without a say, anything
        logits[used] = np.stack(given)
        return self.calibration.scaled(self.fitted.predict_proba(logits))


def crops_of(images: np.ndarray) -> np.ndarray:
    """Return stored images, uint8 [N,C,H,W] of one or three channels, as crops [N,H,W,3]."""
    crops = np.moveaxis(images, 1, 3)
    return np.ascontiguousarray(np.repeat(crops, 3, axis=3) if crops.shape[3] == 1 else crops)

"""A check of every new member: what it says of an image must not depend on the images beside it.

Layers that look across the batch (batch statistics at test time, attention between images) turn test images of one
class, read folder by folder, into hints at each other. Published accuracies rest on that: arXiv:2306.09626, issue 6 of
its repository.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ensembles import softmax
from zoo.member import Member

IMAGES, BATCH = 256, 37  # predicted again, in another order and so many at once
TOLERANCE = 0.01  # of a probability; rounding in batches of other sizes gives less than a thousandth


class DependsOnBatch(ValueError):
    """A member that looks at the images beside the one it classifies; the message says by how much."""


def check_batch_mates(
    member: Member, weights: dict[str, Any], images: np.ndarray, logits: np.ndarray, device: str
) -> None:
    """Predict some of `images` [N, C, H, W] again, among others; raise DependsOnBatch where `logits` [N, K] differ."""
    from zoo.inference.predict import predict_tasks

    rows = np.random.default_rng(0).permutation(len(images))[:IMAGES]
    again, _ = predict_tasks(member, weights, images[rows], logits.shape[1], device, batch_size=BATCH)
    if not np.isfinite(logits).all():
        return  # which is refused where predictions are kept
    change = float(np.abs(softmax(again) - softmax(logits[rows])).max())
    if not change <= TOLERANCE:
        raise DependsOnBatch(
            f"{member.name} looks at the other images of its batch: beside others, the same image of val gets "
            f"probabilities that differ by {change:.2f}. Such predictions are of a batch and of no image, and are not "
            "kept. Batch statistics at test time and attention across the batch do this"
        )

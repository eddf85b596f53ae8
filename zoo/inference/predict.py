"""Predict logits and features with trained members; an image's result does not depend on the rest of its batch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from zoo.cpu import denormals_flushed, keep_freed_memory
from zoo.gpu import full_precision
from zoo.inference.by_core import each, shares
from zoo.inference.fuse import folded
from zoo.inference.images import MappedImages, prepared
from zoo.inference.tta import network_inputs
from zoo.member import Member
from zoo.outputs import Outputs, logits_of
from zoo.state_dicts import split
from zoo.structure import with_features

Result = TypeVar("Result")

AT_ONCE = {"cpu": 32, "cuda": 256}
"""Images in a batch of predictions: few fit in a core's cache, which makes mini_xception 1.6 times as fast on a CPU.

With 32 in place of 64, face_mobilenet_mid is 1.16 times as fast, resnet29_mid 0.97 times, others as before (AVX2).
"""


class Scores(NamedTuple):
    """Logits float32 [N,K], and valence and arousal float32 [N,2] of a network with that head."""

    logits: Tensor
    affect: Tensor | None


@torch.no_grad()
def scores(
    network: nn.Module,
    images: Tensor | MappedImages,
    member: Member,
    tta: str,
    batch_size: int = 256,
    threads: int = 1,
) -> Scores:
    """Return a network's logits, valence and arousal for preprocessed uint8 images [N,C,H,W], averaged over the views.

    The views are those of zoo/inference/tta.py. The network takes up to `batch_size` inputs at once; where a batch has
    fewer images, several of their views go together. With several `threads`, each predicts batches of its own.
    """
    network.eval()

    def of(batch: Tensor) -> Scores:
        views, answers = network_inputs(batch, member.image_size, member.recipe, tta), list[Tensor]()
        ratings: list[Tensor] = []
        while together := list(islice(views, max(1, batch_size // len(batch)))):
            result = network(torch.cat(together))
            answers += logits_of(result).float().split(len(batch))
            if isinstance(result, Outputs) and result.affect is not None:
                ratings += result.affect.float().split(len(batch))
        return Scores(_mean(answers), _mean(ratings) if ratings else None)

    found = each(of, images.split(batch_size), threads)
    affect = [batch.affect for batch in found if batch.affect is not None]
    return Scores(torch.cat([batch.logits for batch in found]), torch.cat(affect) if affect else None)


def class_scores(
    network: nn.Module, images: Tensor | MappedImages, member: Member, tta: str, batch_size: int = 256
) -> Tensor:
    """Return the logits of `scores`."""
    return scores(network, images, member, tta, batch_size).logits


def _mean(views: list[Tensor]) -> Tensor:
    return sum(views[1:], views[0]) / len(views)


@torch.no_grad()
def features(network: nn.Module, images: Tensor | MappedImages, member: Member, batch_size: int = 256) -> Tensor:
    """Return float32 [N,D], the input of the classifier, for preprocessed uint8 images [N,C,H,W]; without TTA.

    Raises ValueError where no dense layer gives the network's logits.
    """
    network.eval()
    rows = []
    for batch in images.split(batch_size):
        (inputs,) = network_inputs(batch, member.image_size, member.recipe, "none")
        rows.append(with_features(network, inputs)[1].float())
    return torch.cat(rows)


def predict(
    member: Member, weights: dict[str, Tensor], images: np.ndarray, num_classes: int, device: str
) -> np.ndarray:
    """Return the logits of `predict_tasks`."""
    return predict_tasks(member, weights, images, num_classes, device)[0]


def predict_tasks(
    member: Member,
    weights: dict[str, Tensor],
    images: np.ndarray,
    num_classes: int,
    device: str,
    batch_size: int | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a trained member's logits float32 [N,K], and valence and arousal float32 [N,2] or None, for uint8 images.

    `images` [N,C,H,W] are as stored: preprocessing and TTA are the recipe's. Arithmetic is float32; on the CPU layers
    are fused (zoo/inference/fuse.py). Weights of several networks (zoo/state_dicts.py) give the mean of their outputs.
    `batch_size` is by the device unless given.
    """

    def both(network: nn.Module, inputs: Tensor | MappedImages, member: Member) -> Scores:
        at_once, threads = batch_size or AT_ONCE[inputs.device.type], 1
        if inputs.device.type == "cpu":
            at_once, threads = shares(len(inputs), at_once)
        return scores(network, inputs, member, member.recipe.tta, at_once, threads)

    parts = _of_each_part(member, weights, images, num_classes, device, both)
    logits, affect = [part.logits for part in parts], [part.affect for part in parts if part.affect is not None]
    return torch.stack(logits).mean(0).cpu().numpy(), torch.stack(affect).mean(0).cpu().numpy() if affect else None


def predict_features(
    member: Member, weights: dict[str, Tensor], images: np.ndarray, num_classes: int, device: str
) -> np.ndarray:
    """Return a trained member's penultimate features float32 [N,D]; those of several networks are concatenated."""
    return torch.cat(_of_each_part(member, weights, images, num_classes, device, features), dim=1).cpu().numpy()


@full_precision()
@denormals_flushed()
def _of_each_part(
    member: Member,
    weights: dict[str, Tensor],
    images: np.ndarray,
    num_classes: int,
    device: str,
    compute: Callable[[nn.Module, Tensor | MappedImages, Member], Result],
) -> list[Result]:
    keep_freed_memory()
    network = member.build(num_classes, images.shape[1])
    network.to(device).to(memory_format=torch.channels_last)
    inputs = prepared(images, device, member.recipe.preprocess)
    results = []
    size = (images.shape[1], member.image_size, member.image_size)
    for part in split(weights):
        network.load_state_dict(part)
        results.append(compute(folded(network, size) if device == "cpu" else network, inputs, member))
    return results

"""Logits and features of a trained member; an image's do not depend on its batch mates."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from zoo.cpu import keep_freed_memory
from zoo.inference.fuse import folded
from zoo.inference.images import MappedImages, prepared
from zoo.inference.tta import network_inputs
from zoo.member import Member
from zoo.outputs import Outputs, logits_of
from zoo.state_dicts import split
from zoo.structure import with_features

Result = TypeVar("Result")

AT_ONCE = {"cpu": 64, "cuda": 256}
"""Images in a batch of predictions: a core's cache holds what layers make of few (mini_xception: 1.6 times as fast)."""


class Scores(NamedTuple):
    """Logits float32 [N,K], and valence and arousal float32 [N,2] of a network with that head."""

    logits: Tensor
    affect: Tensor | None


@torch.no_grad()
def scores(
    network: nn.Module, images: Tensor | MappedImages, member: Member, tta: str, batch_size: int = 256
) -> Scores:
    """Of uint8 [N,C,H,W], preprocessed: logits, valence and arousal, each the mean over the views of
    zoo/inference/tta.py.

    The network takes up to `batch_size` images at once; of fewer, it takes several views together.
    """
    network.eval()
    logits, affect = [], []
    for batch in images.split(batch_size):
        views, answers = network_inputs(batch, member.image_size, member.recipe, tta), list[Tensor]()
        ratings: list[Tensor] = []
        while together := list(islice(views, max(1, batch_size // len(batch)))):
            result = network(torch.cat(together))
            answers += logits_of(result).float().split(len(batch))
            if isinstance(result, Outputs) and result.affect is not None:
                ratings += result.affect.float().split(len(batch))
        logits.append(_mean(answers))
        affect += [_mean(ratings)] if ratings else []
    return Scores(torch.cat(logits), torch.cat(affect) if affect else None)


def class_scores(
    network: nn.Module, images: Tensor | MappedImages, member: Member, tta: str, batch_size: int = 256
) -> Tensor:
    """The logits alone of `scores`."""
    return scores(network, images, member, tta, batch_size).logits


def _mean(views: list[Tensor]) -> Tensor:
    return sum(views[1:], views[0]) / len(views)


@torch.no_grad()
def features(network: nn.Module, images: Tensor | MappedImages, member: Member, batch_size: int = 256) -> Tensor:
    """uint8 [N,C,H,W], preprocessed, to float32 [N,D]: what the classifier makes logits of, without TTA.

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
    """The logits alone of `predict_tasks`."""
    return predict_tasks(member, weights, images, num_classes, device)[0]


def predict_tasks(
    member: Member, weights: dict[str, Tensor], images: np.ndarray, num_classes: int, device: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits float32 [N,K] of a trained member, and valence and arousal float32 [N,2] of one that learnt them.

    In float32 arithmetic, on the CPU by zoo/inference/fuse.py, with the recipe's preprocessing and TTA; of several
    networks (zoo/state_dicts.py), the mean.
    """

    def both(network: nn.Module, inputs: Tensor | MappedImages, member: Member) -> Scores:
        return scores(network, inputs, member, member.recipe.tta, AT_ONCE[inputs.device.type])

    parts = _of_each_part(member, weights, images, num_classes, device, both)
    logits, affect = [part.logits for part in parts], [part.affect for part in parts if part.affect is not None]
    return torch.stack(logits).mean(0).cpu().numpy(), torch.stack(affect).mean(0).cpu().numpy() if affect else None


def predict_features(
    member: Member, weights: dict[str, Tensor], images: np.ndarray, num_classes: int, device: str
) -> np.ndarray:
    """Penultimate features float32 [N,D] of a trained member; of several networks, one beside the other."""
    return torch.cat(_of_each_part(member, weights, images, num_classes, device, features), dim=1).cpu().numpy()


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
    found = []
    size = (images.shape[1], member.image_size, member.image_size)
    for part in split(weights):
        network.load_state_dict(part)
        found.append(compute(folded(network, size) if device == "cpu" else network, inputs, member))
    return found

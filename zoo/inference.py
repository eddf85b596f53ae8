"""Logits and features of a trained member; an image's do not depend on its batch mates."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from zoo.heads import classifier_of
from zoo.memory import keep_freed_memory
from zoo.outputs import logits_of
from zoo.parts import split
from zoo.preprocess import preprocess
from zoo.registry import Member
from zoo.tta import network_inputs


def supports_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; emulation is slower than float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def to_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 [N,C,H,W] to the device, where it stays uint8."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)


@torch.no_grad()
def class_scores(network: nn.Module, images: Tensor, member: Member, tta: str, batch_size: int = 256) -> Tensor:
    """uint8 [N,C,H,W], preprocessed, to logits float32 [N,K]: the mean over the views of zoo/tta.py.

    The network takes up to `batch_size` images at once; of fewer, it takes several views together.
    """
    network.eval()
    rows = []
    for batch in images.split(batch_size):
        views, logits = network_inputs(batch, member.image_size, member.recipe, tta), list[Tensor]()
        while together := list(islice(views, max(1, batch_size // len(batch)))):
            logits += logits_of(network(torch.cat(together))).float().split(len(batch))
        rows.append(sum(logits[1:], logits[0]) / len(logits))
    return torch.cat(rows)


@torch.no_grad()
def features(network: nn.Module, images: Tensor, member: Member, batch_size: int = 256) -> Tensor:
    """uint8 [N,C,H,W], preprocessed, to float32 [N,D]: what the classifier makes logits of, without TTA.

    Raises ValueError where no dense layer gives the network's logits.
    """
    network.eval()
    classifier = classifier_of(network)
    calls: list[tuple[Tensor, torch.Size]] = []
    rows = []
    with classifier.register_forward_hook(lambda _, inputs, output: calls.append((inputs[0].float(), output.shape))):
        for batch in images.split(batch_size):
            (inputs,) = network_inputs(batch, member.image_size, member.recipe, "none")
            logits = logits_of(network(inputs))
            if not calls or calls[-1][1] != logits.shape:
                raise ValueError(f"the last dense layer of {type(network).__name__} does not give its logits")
            rows.append(calls[-1][0])
            calls.clear()
    return torch.cat(rows)


def predict(
    member: Member, weights: dict[str, Tensor], images: np.ndarray, num_classes: int, device: str
) -> np.ndarray:
    """Logits float32 [N,K] of a trained member in float32 arithmetic, with the recipe's preprocessing and TTA.

    Of several networks (zoo/parts.py) they are the mean.
    """

    def scores(network: nn.Module, prepared: Tensor, member: Member) -> Tensor:
        return class_scores(network, prepared, member, member.recipe.tta)

    parts = _of_each_part(member, weights, images, num_classes, device, scores)
    return torch.stack(parts).mean(0).cpu().numpy()


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
    compute: Callable[[nn.Module, Tensor, Member], Tensor],
) -> list[Tensor]:
    keep_freed_memory()
    network = member.build(num_classes, images.shape[1])
    network.to(device).to(memory_format=torch.channels_last)
    prepared = preprocess(to_device(images, device), member.recipe.preprocess)
    found = []
    for part in split(weights):
        network.load_state_dict(part)
        found.append(compute(network, prepared, member))
    return found

"""Logits of a trained member, with test-time augmentation; an image's logits do not depend on its batch mates."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from zoo.augment import normalise, to_float
from zoo.registry import Member


def supports_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; emulation is slower than float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def to_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 [N,C,H,W] to the device, where it stays uint8."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)


@torch.no_grad()
def class_scores(network: nn.Module, images: Tensor, member: Member, tta: str, batch_size: int = 256) -> Tensor:
    """uint8 [N,C,H,W] to logits float32 [N,K]; `flip` averages the logits of each image and its mirror image."""
    network.eval()
    rows = []
    for batch in images.split(batch_size):
        inputs = normalise(to_float(batch, member.image_size), member.recipe.normalise)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        logits = network(inputs).float()
        if tta == "flip":
            logits = (logits + network(inputs.flip(3)).float()) / 2
        rows.append(logits)
    return torch.cat(rows)


def predict(
    member: Member, weights: dict[str, Tensor], images: np.ndarray, num_classes: int, device: str
) -> np.ndarray:
    """Logits float32 [N,K] of a trained member in float32 arithmetic, with the recipe's TTA."""
    network = member.build(num_classes, images.shape[1])
    network.load_state_dict(weights)
    network.to(device).to(memory_format=torch.channels_last)
    return class_scores(network, to_device(images, device), member, member.recipe.tta).cpu().numpy()

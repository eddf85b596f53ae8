"""Batch norms of networks that were published with theirs folded into a scale and a shift: put back, and calibrated.

A scale and a shift are all that inference needs. Training needs the statistics, too: it normalises by those of each
batch, and would be given another network. They are measured on images, which leaves what the network computes as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

IMAGES = 768  # that calibrate


@torch.no_grad()
def set_affine(norm: nn.BatchNorm2d, scale: np.ndarray | float, shift: np.ndarray) -> None:
    """Make a batch norm, in evaluation, multiply by `scale` [C] and add `shift` [C], with statistics of nothing."""
    assert norm.running_mean is not None and norm.running_var is not None
    norm.weight.copy_(torch.as_tensor(np.broadcast_to(scale, shift.shape).astype(np.float32)))
    norm.bias.copy_(torch.as_tensor(shift.astype(np.float32)))
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)


def folded_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the batch norms that are as `set_affine` left them."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and _is_folded(module)]


def _is_folded(norm: nn.BatchNorm2d) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return False
    return not mean.any() and bool((variance == variance.new_tensor(1 - norm.eps)).all())


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give all folded norms the statistics of images, float batches [B,C,H,W] as training sees them; in place.

    In evaluation the network computes what it did before. One pass suffices, since no norm changes what reaches the
    next. The network is left in evaluation mode.
    """
    sums = {norm: _Sums() for norm in folded_norms(network)}
    hooks = [norm.register_forward_pre_hook(seen.add) for norm, seen in sums.items()]
    network.eval()
    for inputs in batches:
        network(inputs)
    for hook in hooks:
        hook.remove()
    for norm, seen in sums.items():
        mean, variance = seen.statistics()
        scale = norm.weight.double()
        norm.bias.copy_(norm.bias.double() + scale * mean)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]  # `folded_norms` finds those that have it
        norm.running_var.copy_(variance)  # type: ignore[union-attr]


class _Sums:
    """Of what enters one norm: sums over images and places, by channel, in float64."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].float()
        self._count += values.numel() // values.shape[1]
        self._sum = self._sum + values.sum(dim=(0, 2, 3), dtype=torch.float64)
        self._squares = self._squares + values.square().sum(dim=(0, 2, 3), dtype=torch.float64)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance [C]; ValueError where nothing was added."""
        if not self._count:
            raise ValueError("no image reached a batch norm that is to be calibrated")
        mean = self._sum / self._count
        return mean, (self._squares / self._count - mean.square()).clamp_min(0)

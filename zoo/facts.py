"""What can be counted of a network: parameters and multiply-adds."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count(network: nn.Module, image_size: int, in_chans: int = 1) -> tuple[int, int]:
    """Trainable parameters, and multiply-adds of convolutions and matrix products for one image."""
    params = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.eval()(torch.zeros(1, in_chans, image_size, image_size))
    return params, counter.get_total_flops() // 2

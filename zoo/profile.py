"""Count the parameters and multiply-adds of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


class Facts(NamedTuple):
    """Counts of one network; `why_real` says why it was built with real weights, empty where shapes were enough."""

    params: int
    macs: int
    why_real: str = ""


def count(build: Callable[[], nn.Module], image_size: int, in_chans: int = 1) -> Facts:
    """Count trainable parameters, and the multiply-adds of convolutions and matrix products for one image.

    The network is built on the meta device, where tensors are shapes without values: no memory, no arithmetic. One that
    needs values while it is built or run is built again on the CPU; errors of that build are raised.
    """
    try:
        return _count(build, image_size, in_chans, "meta")
    except Exception as error:  # whatever a network does that shapes cannot
        return _count(build, image_size, in_chans, "cpu")._replace(why_real=f"{type(error).__name__}: {error}")


def _count(build: Callable[[], nn.Module], image_size: int, in_chans: int, device: str) -> Facts:
    """Count on one device; attention is run as matrix products, since torch counts few of its fused kernels.

    Which of them the counter knows depends on the version of torch: a CPU's is missing in 2.14 and there in 2.15.
    """
    counter = FlopCounterMode(display=False)
    with torch.device(device), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network = build().eval()
        with counter:
            network(torch.zeros(1, in_chans, image_size, image_size))
    params = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return Facts(params, counter.get_total_flops() // 2)

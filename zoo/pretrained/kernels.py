"""Kernels of published networks, put into convolutions."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


@torch.no_grad()
def set_kernel(convolution: nn.Conv2d, kernel: np.ndarray, name: str, scale: float = 1.0) -> None:
    """Put a kernel [outputs, inputs, H, W], times `scale`, into a convolution.

    Where the convolution takes grey images and the kernel colours, the kernels of the colours are summed: so a grey
    image, which has the same value in all of them, gives what it did. Raises ValueError where shapes differ.
    """
    if convolution.in_channels == 1 and kernel.shape[1] == 3:
        kernel = kernel.sum(axis=1, keepdims=True)
    if convolution.weight.shape != kernel.shape:
        raise ValueError(f"{name} is {list(kernel.shape)}, here {list(convolution.weight.shape)}")
    convolution.weight.copy_(torch.from_numpy(np.ascontiguousarray(scale * kernel)))

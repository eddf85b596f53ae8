"""What convolutions that a CPU computes otherwise than its library have in common."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class OwnConv2d(nn.Conv2d):
    """A convolution of `nn.Conv2d`'s weights, numbers and options, some of which is computed by code of the zoo."""

    may: ClassVar[bool] = True  # of all kinds together: compute otherwise than the library

    def takes(self, images: Tensor) -> bool:
        """Return whether images are a batch `[B,C,H,W]` of a training on the CPU, and code of the zoo may be used."""
        known = images.dtype in (torch.bfloat16, torch.float32)
        return self.may and known and images.dim() == 4 and images.device.type == "cpu"


def is_usual(layer: nn.Conv2d) -> bool:
    """Return whether a convolution sees neighbouring pixels, with as many zeros around images as it says."""
    return layer.dilation == (1, 1) and layer.padding_mode == "zeros" and type(layer.padding) is tuple


def computed_in(images: Tensor) -> torch.dtype:
    """Return the type that a convolution of float32 or bfloat16 images is computed in."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype

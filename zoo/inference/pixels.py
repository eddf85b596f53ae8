"""Turn stored pixels into network input: floats in [0,1] at the right size, then normalised as the recipe says."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import UnknownName

CENTRE_AND_RANGE: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "fixed": ((0.5,) * 3, (0.25,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "signed": ((0.5,) * 3, (0.5,) * 3),
    "unit": ((0.0,) * 3, (1.0,) * 3),
}
"""What normalisation subtracts from red, green and blue, and what it divides them by."""


def to_float(images: Tensor, size: int) -> Tensor:
    """Resize uint8 [B,C,H,W] to float [B,C,size,size] in [0,1], antialiased where that is smaller."""
    floats = images.float().div_(255)
    if images.shape[-1] == size:
        return floats
    shrinks = size < images.shape[-1]
    return F.interpolate(floats, size=(size, size), mode="bilinear", antialias=shrinks, align_corners=False)


def normalise(floats: Tensor, how: str) -> Tensor:
    """Normalise images [B,C,H,W] in [0,1] as the recipe's `normalise` says; return a new tensor.

    `image` subtracts each image's own mean and divides by its standard deviation. `fixed` maps to [-2,2], `signed` to
    [-1,1], `unit` leaves [0,1]. `imagenet` uses ImageNet's statistics of the three colours, for grey images their mean.
    Raises UnknownName for another word.
    """
    if how == "image":
        mean = floats.mean(dim=(1, 2, 3), keepdim=True)
        deviation = floats.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-2)  # constant images exist in FER2013
        return floats.sub(mean).div_(deviation)
    if how not in CENTRE_AND_RANGE:
        raise UnknownName("normalisation", how, ["image", *CENTRE_AND_RANGE])
    centres, ranges = CENTRE_AND_RANGE[how]
    if floats.shape[1] == 1:
        centres, ranges = (sum(centres) / 3,), (sum(ranges) / 3,)
    return (floats - _by_channel(centres, floats)).div_(_by_channel(ranges, floats))


def _by_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Return the values as [C,1,1] on the device of `like`, without waiting for the device."""
    return torch.tensor(values, dtype=like.dtype).to(like.device, non_blocking=True)[:, None, None]

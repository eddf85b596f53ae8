"""Filters of the stored images: applied once to every image, before training and before any prediction."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.errors import UnknownName

CHUNK = 2**22  # pixels filtered at once: about 100 MB of temporary tensors


def preprocess(images: Tensor, how: str) -> Tensor:
    """uint8 [N,C,H,W] to uint8 of the same shape, on the same device; `none` returns the images themselves.

    Raises UnknownName where no filter has that name.
    """
    if how == "none":
        return images
    if how not in FILTERS:
        raise UnknownName("preprocessing", how, ["none", *FILTERS])
    rows = max(1, CHUNK // math.prod(images.shape[1:]))
    filtered = torch.empty_like(images)
    for source, target in zip(images.split(rows), filtered.split(rows), strict=True):
        target.copy_(FILTERS[how](source))
    return filtered


def equalise(images: Tensor) -> Tensor:
    """Histogram equalisation of each image and channel, to the same numbers as Pillow's `ImageOps.equalize`.

    It counts whole pixels for each of 255 steps, so a channel with fewer than 255 pixels beside those of its brightest
    level stays as it is. Raises ValueError for images that are too small for any change.
    """
    if math.prod(images.shape[2:]) < 256:
        size = " x ".join(map(str, images.shape[2:]))
        raise ValueError(f"equalise changes nothing in images of {size}: it needs 256 pixels or more")
    values = images.flatten(2).flatten(0, 1).long()
    counts = torch.zeros(len(values), 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, values, torch.ones_like(values))
    darker = counts.cumsum(1) - counts
    step = darker.gather(1, values.amax(1, keepdim=True)) // 255
    levels = ((step // 2 + darker) // step.clamp_min(1)).clamp_max(255)
    levels = torch.where(step > 0, levels, torch.arange(256, device=images.device))
    return levels.to(torch.uint8).gather(1, values).reshape(images.shape)


def median(images: Tensor) -> Tensor:
    """The median of each pixel's 3x3 neighbourhood; the edge is repeated outwards.

    It is that of three numbers: of sorted columns the greatest low, the median middle, and the least high one.
    """
    height, width = images.shape[2:]
    down, across = (torch.arange(-1, side + 1, device=images.device).clamp(0, side - 1) for side in (height, width))
    padded = images[:, :, down][..., across]  # F.pad repeats no edge of uint8
    low, middle, high = _sorted(*(padded[:, :, row : row + height] for row in range(3)))
    lows, middles, highs = ([part[..., column : column + width] for column in range(3)] for part in (low, middle, high))
    return _sorted(_sorted(*lows)[2], _sorted(*middles)[1], _sorted(*highs)[0])[1]


def _sorted(one: Tensor, two: Tensor, three: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors as their elements' least, median and greatest."""
    less, more = torch.minimum(one, two), torch.maximum(one, two)
    rest, greatest = torch.minimum(more, three), torch.maximum(more, three)
    return torch.minimum(less, rest), torch.maximum(less, rest), greatest


FILTERS: dict[str, Callable[[Tensor], Tensor]] = {"equalise": equalise, "median": median}
"""Name to a function of uint8 images [N,C,H,W]; a new filter is one entry."""

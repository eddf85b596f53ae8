"""Filter stored images: each is filtered once, before training and before any prediction."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.errors import UnknownName
from zoo.inference.align import align

CHUNK = 2**22  # pixels filtered at once: about 100 MB of temporary tensors


def preprocess(images: Tensor, how: str) -> Tensor:
    """Filter uint8 images [N,C,H,W] on their device; `none` returns them as they are, not a copy.

    `how` is the recipe's `preprocess`. Raises UnknownName where no filter has that name.
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
    """Equalise the histogram of each image and channel, to the same numbers as Pillow's `ImageOps.equalize`.

    Like Pillow, it leaves a channel as it is that has fewer than 255 pixels below its brightest level. Raises
    ValueError for images of fewer than 256 pixels, in which it could not change anything.
    """
    if math.prod(images.shape[2:]) < 256:
        size = " x ".join(map(str, images.shape[2:]))
        raise ValueError(f"equalise changes nothing in images of {size}: it needs 256 pixels or more")
    values = images.flatten(2).flatten(0, 1).long()
    counts = torch.zeros(values.shape[0], 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, values, torch.ones_like(values))
    darker = counts.cumsum(1) - counts
    step = darker.gather(1, values.amax(1, keepdim=True)) // 255
    levels = ((step // 2 + darker) // step.clamp_min(1)).clamp_max(255)
    levels = torch.where(step > 0, levels, torch.arange(256, device=images.device))
    return levels.to(torch.uint8).gather(1, values).reshape(images.shape)


def median(images: Tensor) -> Tensor:
    """Replace each pixel by the median of its 3x3 neighbourhood; beyond the edge, the edge is repeated.

    With each column of three sorted, the median of nine is that of three numbers: the greatest of the low ones, the
    median of the middle ones, and the least of the high ones.
    """
    height, width = images.shape[2:]
    down, across = (torch.arange(-1, side + 1, device=images.device).clamp(0, side - 1) for side in (height, width))
    padded = images[:, :, down][..., across]  # F.pad repeats no edge of uint8
    low, middle, high = _sorted(*(padded[:, :, row : row + height] for row in range(3)))
    lows, middles, highs = ([part[..., column : column + width] for column in range(3)] for part in (low, middle, high))
    return _sorted(_sorted(*lows)[2], _sorted(*middles)[1], _sorted(*highs)[0])[1]


def _sorted(first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the least, the median and the greatest of three tensors, element by element."""
    less, more = torch.minimum(first, second), torch.maximum(first, second)
    rest, greatest = torch.minimum(more, third), torch.maximum(more, third)
    return torch.minimum(less, rest), torch.maximum(less, rest), greatest


FILTERS: dict[str, Callable[[Tensor], Tensor]] = {"align": align, "equalise": equalise, "median": median}
"""Name to a function of uint8 images [N,C,H,W]; a new filter is one entry."""

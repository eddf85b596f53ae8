"""Zeros around images as TensorFlow's `same` puts them, by the size of the images: timm's Conv2dSame."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

SAME = "timm.layers.conv2d_same", "Conv2dSame"  # by name: most networks need no timm, which takes a second to import

Frame = tuple[int, int, int, int]
"""Pixels of zeros to the left of images, to the right, above and below."""


def is_same(module: nn.Module) -> bool:
    """Return whether a convolution puts zeros around its images by their size."""
    return (type(module).__module__, type(module).__name__) == SAME


def frame_of_same(sides: Sequence[int], convolution: nn.Conv2d) -> Frame:
    """Return the zeros around images of such `sides`, `[H,W]`: as many as an output for every stride needs, an odd one
    behind."""
    frame = list[int]()
    options = zip(sides, convolution.kernel_size, convolution.stride, convolution.dilation, strict=True)
    for side, kernel, step, apart in reversed(list(options)):
        lacking = max(0, (-(-side // step) - 1) * step + (kernel - 1) * apart + 1 - side)
        frame += [lacking // 2, lacking - lacking // 2]
    left, right, above, below = frame
    return left, right, above, below

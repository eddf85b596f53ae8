"""A convolution of predictions on the CPU: weights in oneDNN's own order, and what stands beside it computed with it.

Zeros that lie only below and to the right of the images, as Keras and TensorFlow put them for strides of 2, cost a copy
of all images. A depthwise kernel that begins with as many zeros of its own needs none: it sees the usual frame, and its
products are the same to the last bit. Milliseconds of one core (EPYC, AVX2, 33 GFLOP/s), 32 images, 3 x 3 pixels: 10.9
and 4.0 for 64 channels of 56 x 56, 3.6 and 1.8 for 256 of 14 x 14. A kernel over all channels would be slower.

ReLU6 is computed with the convolution before it: by itself it takes as long as reading and writing the map twice. ReLU,
which is cheaper, is not: where that was tried, networks were 0.8 to 1.07 times as fast.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.inference.same_padding import Frame, frame_of_same, is_same
from zoo.winograd import convolved, fits, saved, tiles, transformed_kernels

FEWEST, SAVED, TILES = 64, 3.5, 128
"""Channels on either side, times as many multiplications in the usual way, and tiles, from which on these are faster.

They are on one thread; several may wait for each other between the many small steps longer than they save.
"""
TOP = 6.0  # of ReLU6


def is_convolution(module: nn.Module) -> bool:
    """Return whether a module convolves as `Prepacked` does."""
    return type(module) is nn.Conv2d or is_same(module)


def can_be_prepacked(convolution: nn.Conv2d) -> bool:
    """Return whether the zeros around the images of a convolution are known."""
    return convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)


class Prepacked:
    """A convolution with its weights in oneDNN's own order, as Inductor freezes networks.

    There is one order for single images and one for batches, each made when the first such input comes. A single image
    with weights in the order of batches can run oneDNN's slowest code, 200 times as slow where two threads work on 1x1
    kernels. Without a shape, oneDNN guesses an order that it may have to change at every call.

    Maps that are large enough are convolved tile by tile (zoo/winograd.py).
    """

    then_relu6 = False
    """Whether the layer after it, now passed over, was a ReLU6."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        self._of, self._same = convolution, is_same(convolution)
        down, across = cast(tuple[int, int], convolution.padding)
        self._frame = across, across, down, down
        self._given, self._bias = convolution.weight, convolution.bias
        self._by_tiles = fits(convolution) and min(convolution.in_channels, convolution.out_channels) >= FEWEST
        self._packed: dict[tuple[bool, Frame], tuple[Tensor, Any]] = {}  # by whether the image is alone, and the zeros
        self._kernels: Tensor | None = None  # of tiles

    def put_around(self, zeros: Frame) -> None:
        """Put zeros around the images, beside those of the convolution itself."""
        left, right, above, below = (mine + other for mine, other in zip(self._frame, zeros, strict=True))
        self._frame = left, right, above, below

    def forward(self, images: Tensor) -> Tensor:
        frame = frame_of_same(images.shape[2:], self._of) if self._same else self._frame
        if self._by_tiles and frame == (1, 1, 1, 1) and _tiles_pay(images):
            if self._kernels is None:
                self._kernels = transformed_kernels(self._given)
            output = convolved(images, self._kernels, self._bias)
            return output.clamp_(0.0, TOP) if self.then_relu6 else output
        if not (self._is_even(frame) or self._takes_zeros(frame)):
            images, frame = F.pad(images, frame), (0, 0, 0, 0)
        place = len(images) == 1, frame
        if place not in self._packed:
            self._packed[place] = self._pack(images, frame)
        weight, how = self._packed[place]
        then, limits = ("hardtanh", [0.0, TOP]) if self.then_relu6 else ("none", [])
        return torch.ops.mkldnn._convolution_pointwise(images, weight, self._bias, *how, then, limits, "")

    def _is_even(self, frame: Frame) -> bool:
        left, right, above, below = frame
        return (left, above) == (right, below)

    def _takes_zeros(self, frame: Frame) -> bool:
        """Return whether the kernel may begin with zeros in the place of some that are around the images."""
        left, right, above, below = frame
        alone = self._of.groups == self._of.in_channels > 1
        return alone and self._of.dilation == (1, 1) and left <= right and above <= below

    def _pack(self, images: Tensor, frame: Frame) -> tuple[Tensor, Any]:
        """Return the weights in oneDNN's order for images with such zeros around them, and how to convolve."""
        left, right, above, below = frame
        how = (below, right), self._of.stride, self._of.dilation, self._of.groups
        kernel = F.pad(self._given, (right - left, 0, below - above, 0)) if not self._is_even(frame) else self._given
        return torch.ops.mkldnn._reorder_convolution_weight(kernel, *how, list(images.shape)), how


def _tiles_pay(images: Tensor) -> bool:
    high, wide = images.shape[2:]
    count = len(images) * tiles(high) * tiles(wide)
    return saved(high, wide) >= SAVED and count >= TILES and torch.get_num_threads() == 1

"""Trainable convolutions by Winograd's minimal filtering (zoo/winograd.py), on the CPUs where they gain.

What the weights' gradient needs of the input is computed again rather than kept. Images a second of training on one
core with AVX2 (EPYC, 61 GFLOP/s, torch 2.14), by the library and so, batch 128:

| network | 32 px | 40 px | 48 px |
|---|---:|---:|---:|
| vgg_fer_wide | 82, 137 | 49, 56 | 31, 52 |
| vgg_fer | - | - | 62, 72 |
| resnet_fer | - | - | 44, 52 |
| ferplus_vgg13 | - | - | 21, 26 |
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo.winograd import (
    INPUT,
    KERNEL,
    OUTPUT,
    SEEN,
    TILE,
    chunks,
    convolved,
    saved,
    seen,
    tiles,
    transformed,
    transformed_kernels,
)

FEWEST = 96  # channels on either side: the transforms' cost grows with their sum, the products' with their product
SAVED = 1.5  # times as many multiplications in the usual way, or more


def pays(in_channels: int, out_channels: int, high: int, wide: int) -> bool:
    """Return whether a convolution of a 3 x 3 kernel that gives a map of `high` by `wide` is faster in this way here.

    That is measured on CPUs with AVX2; those with AVX-512 train faster by the library, in bfloat16.
    """
    return min(in_channels, out_channels) >= FEWEST and saved(high, wide) >= SAVED and _has_avx2_alone()


def _has_avx2_alone() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX2"


class Winograd(torch.autograd.Function):
    """Convolution of images `[B,C,H,W]` with weights `[O,C,3,3]`, one pixel of zeros around the images: `[B,O,H,W]`."""

    @staticmethod
    def forward(context: Any, images: Tensor, weight: Tensor) -> Tensor:
        kernels = transformed_kernels(weight)
        context.save_for_backward(images, kernels)
        return convolved(images, kernels)

    @staticmethod
    @once_differentiable
    def backward(context: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None]:
        images, kernels = context.saved_tensors
        of_images, of_weight = context.needs_input_grad
        to_images = torch.empty_like(images, memory_format=torch.channels_last) if of_images else None
        to_kernels = torch.zeros_like(kernels) if of_weight else None
        back, out = INPUT.t().contiguous(), OUTPUT.t().contiguous()
        for part in chunks(images, kernels):
            slopes = transformed(out, _taken(slope[part])).view(SEEN**2, -1, kernels.shape[2])
            if to_kernels is not None:
                to_kernels.baddbmm_(seen(images[part]).transpose(1, 2), slopes)
            if to_images is not None:
                squares = transformed(back, torch.bmm(slopes, kernels.transpose(1, 2)).view(SEEN**2, -1))
                _add(squares, to_images[part].permute(0, 2, 3, 1))
        if to_kernels is None:
            return to_images, None
        by_place = transformed(KERNEL.t().contiguous(), to_kernels.view(SEEN**2, -1))
        return to_images, by_place.view(3, 3, *kernels.shape[1:]).permute(3, 2, 0, 1)


def _taken(images: Tensor) -> Tensor:
    """Return the tiles of images `[B,C,H,W]`, zeros beyond their edges: `[16, tiles * C]`."""
    count, channels, high, wide = images.shape
    down, across = tiles(high), tiles(wide)
    pixels = F.pad(images.permute(0, 2, 3, 1), (0, 0, 0, TILE * across - wide, 0, TILE * down - high))
    return pixels.reshape(count, down, TILE, across, TILE, channels).permute(2, 4, 0, 1, 3, 5).reshape(TILE**2, -1)


def _add(squares: Tensor, pixels: Tensor) -> None:
    """Write into pixels `[B,H,W,C]` the sum of the squares `[36, tiles * C]` that see them."""
    count, high, wide, channels = pixels.shape
    down, across = tiles(high), tiles(wide)
    placed = squares.view(SEEN, SEEN, count, down, across, channels).permute(2, 3, 0, 4, 1, 5)
    around = pixels.new_zeros(count, down + 1, TILE, across + 1, TILE, channels)
    over = SEEN - TILE  # pixels that a square sees of the next tile
    around[:, :-1, :, :-1] = placed[:, :, :TILE, :, :TILE]
    around[:, 1:, :over, :-1] += placed[:, :, TILE:, :, :TILE]
    around[:, :-1, :, 1:, :over] += placed[:, :, :TILE, :, TILE:]
    around[:, 1:, :over, 1:, :over] += placed[:, :, TILE:, :, TILE:]
    inner = around.view(count, TILE * (down + 1), TILE * (across + 1), channels)
    pixels.copy_(inner[:, 1 : high + 1, 1 : wide + 1])

"""Convolutions of 3 x 3 kernels by Winograd's minimal filtering: a quarter of the multiplications, in float32.

A tile of 4 x 4 output pixels needs 6 x 6 input pixels. Transformed by small constant matrices, tile and kernel are
multiplied number by number: 36 products where 144 were; over all tiles and channels that is 36 matrix products (Lavin
and Gray 2015, arXiv:1509.09308, F(4 x 4, 3 x 3)). A chunk of the batch is taken through all steps while it lies in the
caches, and what the weights' gradient needs of the input is computed again rather than kept.

Images a second of training on one core with AVX2 (EPYC, 61 GFLOP/s, torch 2.14), by the library and so, batch 128:

| network | 32 px | 40 px | 48 px |
|---|---:|---:|---:|
| vgg_fer_wide | 82, 137 | 49, 56 | 31, 52 |
| vgg_fer | - | - | 62, 72 |
| resnet_fer | - | - | 44, 52 |
| ferplus_vgg13 | - | - | 21, 26 |

Outputs and gradients differ from those in float64 by 2 to 3e-6 of their norm, the library's by 0.5 to 5e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

TILE, SEEN = 4, 6  # pixels a side: of the output, and of the input that they see
FEWEST = 96  # channels on either side: the transforms' cost grows with their sum, the products' with their product
SAVED = 1.5  # times as many multiplications in the usual way, or more: a map that tiles do not fill wastes some
CACHED = 2**20  # bytes of transformed input in a chunk, or as many as the transformed kernels have

INPUT = torch.tensor(
    [
        [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
        [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
        [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
        [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
        [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
        [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
    ]
)
KERNEL = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = torch.tensor(
    [
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        [0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
        [0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
        [0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
    ]
)


def pays(in_channels: int, out_channels: int, high: int, wide: int) -> bool:
    """Return whether a convolution of a 3 x 3 kernel that gives a map of `high` by `wide` is faster in this way here.

    That is measured on CPUs with AVX2; those with AVX-512 have faster convolutions, beside the same memory.
    """
    saved = 9 * high * wide / (SEEN**2 * _tiles(high) * _tiles(wide))
    return min(in_channels, out_channels) >= FEWEST and saved >= SAVED and _has_avx2_alone()


def _has_avx2_alone() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX2"


def _tiles(pixels: int) -> int:
    return -(-pixels // TILE)


class Winograd(torch.autograd.Function):
    """Convolution of images `[B,C,H,W]` with weights `[O,C,3,3]`, one pixel of zeros around the images: `[B,O,H,W]`."""

    @staticmethod
    def forward(context: Any, images: Tensor, weight: Tensor) -> Tensor:
        kernels = _transformed(KERNEL, weight.permute(2, 3, 1, 0).reshape(9, -1)).view(SEEN**2, *weight.shape[1::-1])
        context.save_for_backward(images, kernels)
        size = len(images), len(weight), *images.shape[2:]
        output = torch.empty(size, dtype=images.dtype, memory_format=torch.channels_last)
        for part in _chunks(images, kernels):
            seen = _seen(images[part])
            _put(_transformed(OUTPUT, torch.bmm(seen, kernels).view(SEEN**2, -1)), output[part].permute(0, 2, 3, 1))
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None]:
        images, kernels = context.saved_tensors
        of_images, of_weight = context.needs_input_grad
        to_images = torch.empty_like(images, memory_format=torch.channels_last) if of_images else None
        to_kernels = torch.zeros_like(kernels) if of_weight else None
        back, out = INPUT.t().contiguous(), OUTPUT.t().contiguous()
        for part in _chunks(images, kernels):
            slopes = _transformed(out, _taken(slope[part])).view(SEEN**2, -1, kernels.shape[2])
            if to_kernels is not None:
                to_kernels.baddbmm_(_seen(images[part]).transpose(1, 2), slopes)
            if to_images is not None:
                seen = _transformed(back, torch.bmm(slopes, kernels.transpose(1, 2)).view(SEEN**2, -1))
                _add(seen, to_images[part].permute(0, 2, 3, 1))
        if to_kernels is None:
            return to_images, None
        by_place = _transformed(KERNEL.t().contiguous(), to_kernels.view(SEEN**2, -1))
        return to_images, by_place.view(3, 3, *kernels.shape[1:]).permute(3, 2, 0, 1)


def _chunks(images: Tensor, kernels: Tensor) -> Iterator[slice]:
    """Yield the parts of a batch that go through all steps together."""
    count, channels, high, wide = images.shape
    an_image = SEEN**2 * _tiles(high) * _tiles(wide) * channels * images.element_size()
    step = max(1, max(CACHED, kernels.nbytes) // an_image)
    for start in range(0, count, step):
        yield slice(start, start + step)


def _transformed(matrix: Tensor, values: Tensor) -> Tensor:
    """Multiply squares `[q*q, N]` by a matrix `[p, q]` from the left and its transpose from the right: `[p*p, N]`."""
    rows, side = matrix.shape
    down = torch.mm(matrix, values.reshape(side, -1)).view(rows, side, -1)
    return torch.bmm(matrix.expand(rows, -1, -1), down).view(rows * rows, -1)


def _seen(images: Tensor) -> Tensor:
    """Return the transformed squares that the tiles of images `[B,C,H,W]` see: `[36, tiles, C]`."""
    count, channels, high, wide = images.shape
    down, across = _tiles(high), _tiles(wide)
    ends = 1 + TILE * across - wide, 1 + TILE * down - high
    around = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, ends[0], 1, ends[1])).contiguous()
    image, line, pixel, number = around.stride()
    squares = around.as_strided(
        (SEEN, SEEN, count, down, across, channels), (line, pixel, image, TILE * line, TILE * pixel, number)
    )
    return _transformed(INPUT, squares.reshape(SEEN**2, -1)).view(SEEN**2, -1, channels)


def _put(tiles: Tensor, pixels: Tensor) -> None:
    """Write tiles `[16, tiles * C]` into pixels `[B,H,W,C]`."""
    count, high, wide, channels = pixels.shape
    down, across = _tiles(high), _tiles(wide)
    whole = tiles.view(TILE, TILE, count, down, across, channels).permute(2, 3, 0, 4, 1, 5)
    if (high, wide) == (TILE * down, TILE * across):
        pixels.view(whole.shape).copy_(whole)
    else:
        pixels.copy_(whole.reshape(count, TILE * down, TILE * across, channels)[:, :high, :wide])


def _taken(images: Tensor) -> Tensor:
    """Return the tiles of images `[B,C,H,W]`, zeros beyond their edges: `[16, tiles * C]`."""
    count, channels, high, wide = images.shape
    down, across = _tiles(high), _tiles(wide)
    pixels = F.pad(images.permute(0, 2, 3, 1), (0, 0, 0, TILE * across - wide, 0, TILE * down - high))
    return pixels.reshape(count, down, TILE, across, TILE, channels).permute(2, 4, 0, 1, 3, 5).reshape(TILE**2, -1)


def _add(squares: Tensor, pixels: Tensor) -> None:
    """Write into pixels `[B,H,W,C]` the sum of the squares `[36, tiles * C]` that see them."""
    count, high, wide, channels = pixels.shape
    down, across = _tiles(high), _tiles(wide)
    seen = squares.view(SEEN, SEEN, count, down, across, channels).permute(2, 3, 0, 4, 1, 5)
    around = pixels.new_zeros(count, down + 1, TILE, across + 1, TILE, channels)
    over = SEEN - TILE  # pixels that a square sees of the next tile
    around[:, :-1, :, :-1] = seen[:, :, :TILE, :, :TILE]
    around[:, 1:, :over, :-1] += seen[:, :, TILE:, :, :TILE]
    around[:, :-1, :, 1:, :over] += seen[:, :, :TILE, :, TILE:]
    around[:, 1:, :over, 1:, :over] += seen[:, :, TILE:, :, TILE:]
    inner = around.view(count, TILE * (down + 1), TILE * (across + 1), channels)
    pixels.copy_(inner[:, 1 : high + 1, 1 : wide + 1])

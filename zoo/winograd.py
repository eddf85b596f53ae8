"""Convolutions of 3 x 3 kernels by Winograd's minimal filtering: a quarter of the multiplications, in float32.

A tile of 4 x 4 output pixels needs 6 x 6 input pixels. Transformed by small constant matrices, tile and kernel are
multiplied number by number: 36 products where 144 were; over all tiles and channels that is 36 matrix products (Lavin
and Gray 2015, arXiv:1509.09308, F(4 x 4, 3 x 3)). A chunk of the batch is taken through all steps while it lies in the
caches.

Outputs differ from those in float64 by 2 to 3e-6 of their norm, the library's by 0.5 to 5e-6.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TILE, SEEN = 4, 6  # pixels a side: of the output, and of the input that they see
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
EVERYWHERE = SEEN + 1
"""Of the 36 products, the one that each output pixel of its tile has once: what is added to it is a bias."""


def fits(convolution: nn.Conv2d) -> bool:
    """Return whether a convolution, with zeros around its images, is of the kind that `convolved` computes."""
    one = convolution
    shape = one.kernel_size, one.stride, one.padding, one.dilation, one.groups
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1)


def saved(high: int, wide: int) -> float:
    """Return how many times as many multiplications a map of `high` by `wide` pixels takes in the usual way.

    A map that tiles do not fill wastes some.
    """
    return 9 * high * wide / (SEEN**2 * tiles(high) * tiles(wide))


def tiles(pixels: int) -> int:
    """Return how many tiles cover a side."""
    return -(-pixels // TILE)


def transformed_kernels(weight: Tensor) -> Tensor:
    """Return weights `[O,C,3,3]` as the tiles are multiplied by them: `[36,C,O]`."""
    return transformed(KERNEL, weight.permute(2, 3, 1, 0).reshape(9, -1)).view(SEEN**2, *weight.shape[1::-1])


def convolved(images: Tensor, kernels: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve images `[B,C,H,W]`, one pixel of zeros around them, with transformed kernels `[36,C,O]`: `[B,O,H,W]`.

    The output's channels come last in memory.
    """
    size = len(images), kernels.shape[2], *images.shape[2:]
    output = torch.empty(size, dtype=images.dtype, memory_format=torch.channels_last)
    for part in chunks(images, kernels):
        products = torch.bmm(seen(images[part]), kernels)
        if bias is not None:
            products[EVERYWHERE] += bias
        _put(transformed(OUTPUT, products.view(SEEN**2, -1)), output[part].permute(0, 2, 3, 1))
    return output


def chunks(images: Tensor, kernels: Tensor) -> Iterator[slice]:
    """Yield the parts of a batch that go through all steps together."""
    count, channels, high, wide = images.shape
    an_image = SEEN**2 * tiles(high) * tiles(wide) * channels * images.element_size()
    step = max(1, max(CACHED, kernels.nbytes) // an_image)
    for start in range(0, count, step):
        yield slice(start, start + step)


def transformed(matrix: Tensor, values: Tensor) -> Tensor:
    """Multiply squares `[q*q, N]` by a matrix `[p, q]` from the left and its transpose from the right: `[p*p, N]`."""
    rows, side = matrix.shape
    columns = values.reshape(side, side, -1).transpose(0, 1)  # batches of products, which threads share
    down = torch.bmm(matrix.expand(side, -1, -1), columns).transpose(0, 1)
    return torch.bmm(matrix.expand(rows, -1, -1), down).view(rows * rows, -1)


def seen(images: Tensor) -> Tensor:
    """Return the transformed squares that the tiles of images `[B,C,H,W]` see: `[36, tiles, C]`."""
    count, channels, high, wide = images.shape
    down, across = tiles(high), tiles(wide)
    ends = 1 + TILE * across - wide, 1 + TILE * down - high
    around = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, ends[0], 1, ends[1])).contiguous()
    image, line, pixel, number = around.stride()
    squares = around.as_strided(
        (SEEN, SEEN, count, down, across, channels), (line, pixel, image, TILE * line, TILE * pixel, number)
    )
    return transformed(INPUT, squares.reshape(SEEN**2, -1)).view(SEEN**2, -1, channels)


def _put(outputs: Tensor, pixels: Tensor) -> None:
    """Write tiles `[16, tiles * C]` into pixels `[B,H,W,C]`."""
    count, high, wide, channels = pixels.shape
    down, across = tiles(high), tiles(wide)
    whole = outputs.view(TILE, TILE, count, down, across, channels).permute(2, 3, 0, 4, 1, 5)
    if (high, wide) == (TILE * down, TILE * across):
        pixels.view(whole.shape).copy_(whole)
    else:
        pixels.copy_(whole.reshape(count, TILE * down, TILE * across, channels)[:, :high, :wide])

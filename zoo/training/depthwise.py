"""Depthwise convolutions, some of whose gradients a CPU's library computes slowly.

oneDNN has fast kernels for the output of any depthwise convolution. In bfloat16 it has them for the gradient of its
input only where strides are 1, and for that of its weights only where the kernel has 3 x 3 pixels or fewer and the map
is no smaller; else it takes up to a hundred times as long as it need. Here the gradient of the input is the output of
such a convolution of the slopes, with zeros between them for a stride; that of a larger kernel is put together from
windows of 3 x 3. Milliseconds of one core (EPYC with AVX-512, torch 2.14), 64 images, by the library in float32 and
bfloat16, and so:

| channels | map | kernel | stride | gradient of the input | of the weights |
|---|---|---|---:|---:|---:|
| 96 | 48 x 48 | 3 x 3 | 2 | 32, 145, 8 | 6, 5, as the library |
| 144 | 24 x 24 | 5 x 5 | 2 | 4, 154, 4 | 14, 56, 15 |
| 240 | 12 x 12 | 5 x 5 | 1 | 4, 2.5, as the library | 18, 50, 13 |
| 512 | 14 x 14 | 4 x 4 | 4 | 4, 273, 5 | 13, 139, 8 |

Images a second of passes forth and back there, in float32 as they were trained before, and so: mobilenetv1_mid 63 and
124, patt_lite 77 and 144, xception 12 and 25, efficientnet_lite0 50 and 112, mobilenetv4_conv_small 236 and 410,
fbnetv3_b 168 and 286, efficientnet_b0 167 and 268, mobilenetv2 309 and 477, convnext_atto 246 and 336.

On small maps the gradient of the weights of large kernels is slow in float32 too. There it is a matrix product: each
slope times each pixel of its image, summed over the images, of which every weight adds up those pairs that it joins.
In bfloat16 it takes the place of windows there; on a CPU that has bfloat16 that was not timed. Milliseconds of one core
in float32 (EPYC with AVX2, torch 2.14), 64 images, by the library and so:

| channels | map | kernel | gradient of the weights |
|---|---|---|---:|
| 384 | 6 x 6 | 7 x 7 | 91, 11 |
| 672 | 6 x 6 | 5 x 5 | 30, 23 |
| 1,152 | 3 x 3 | 5 x 5 | 108, 5 |
| 160 | 3 x 3 | 7 x 7 | 24, 0.7 |
| 512 | 2 x 2 | 3 x 3 | 22, 1.6 |

Images a second of a training step in float32 there, before and with it: convnext_atto 84 and 120,
mobilenetv4_conv_small 80 and 96, fbnetv3_b 25 and 29, mobilenetv4_hybrid_medium 18 and 20, efficientnet_b0 25 and 27.

Numbers are those of the library but for the order in which products are added up, in float32 either way.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo.inference.same_padding import frame_of_same, is_same
from zoo.training.convolution import OwnConv2d, computed_in, is_usual

WINDOW = 3  # pixels a side of the largest kernel whose gradient the library computes fast
SMALL = 49  # pixels of a map: up to here products of all pairs of pixels are faster than windows, and than the library

Pair = tuple[int, int]


class DepthwiseConv2d(OwnConv2d):
    """A convolution of every channel by itself, whose gradients are computed as above."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not self.otherwise(input):
            return super()._conv_forward(input, weight, bias)
        dtype = computed_in(input)
        own = None if bias is None else bias.to(dtype)
        return cast(Tensor, _Depthwise.apply(input.to(dtype), weight.to(dtype), own, self.stride, self.padding))

    def otherwise(self, images: Tensor) -> bool:
        """Return whether a gradient for images `[B,C,H,W]` is not computed by the library."""
        if not self.takes(images):
            return False
        wide = max(self.kernel_size) > WINDOW or min(images.shape[2:]) < WINDOW
        if computed_in(images) == torch.bfloat16:
            return wide or max(self.stride) > 1
        return wide and _is_small(images)


class DepthwiseConv2dSame(DepthwiseConv2d):
    """One that puts zeros around its images as TensorFlow does: as many pixels as an output for every stride needs."""

    def forward(self, input: Tensor) -> Tensor:
        frame = frame_of_same(input.shape[2:], self)
        return self._conv_forward(F.pad(input, frame) if any(frame) else input, self.weight, self.bias)


def depthwise_kind(layer: nn.Module) -> type[DepthwiseConv2d] | None:
    """Return the class above that computes what a layer does; None for layers of another kind."""
    kind = type(layer)
    if kind is nn.Conv2d and _is_depthwise(layer):
        return DepthwiseConv2d
    if is_same(layer) and _is_depthwise(layer):
        return DepthwiseConv2dSame
    return None


def _is_depthwise(layer: Any) -> bool:
    """Return whether every output channel sees one input channel of its own, over neighbouring pixels with zeros around
    them."""
    alone = layer.groups == layer.in_channels == layer.out_channels > 1
    return alone and is_usual(layer) and all(map(operator.lt, layer.padding, layer.kernel_size))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        context.save_for_backward(images, weight)
        context.options = stride, padding
        return F.conv2d(images, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(context: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        (images, weight), (stride, padding) = context.saved_tensors, context.options
        of_images, of_weight, of_bias = context.needs_input_grad[:3]
        slope = slope.contiguous(memory_format=torch.channels_last)
        return (
            _of_images(slope, images, weight, stride, padding) if of_images else None,
            _of_weight(slope, images, weight, stride, padding) if of_weight else None,
            slope.sum((0, 2, 3)) if of_bias else None,
            None,
            None,
        )


def _of_images(slope: Tensor, images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Return the gradient of the images: each of their pixels gets from every slope that saw it."""
    if images.dtype != torch.bfloat16:
        return _by_library(slope, images, weight, stride, padding, of_images=True)
    kernel = weight.shape[2:]
    count, channels, high, wide = slope.shape
    if stride != (1, 1):
        shape = (
            side + 2 * around - one + 1 for side, around, one in zip(images.shape[2:], padding, kernel, strict=True)
        )
        spread = torch.zeros(count, *shape, channels, dtype=slope.dtype).permute(0, 3, 1, 2)
        spread[:, :, : stride[0] * (high - 1) + 1 : stride[0], : stride[1] * (wide - 1) + 1 : stride[1]] = slope
        slope = spread
    around = [side - 1 - lost for side, lost in zip(kernel, padding, strict=True)]
    return F.conv2d(slope, weight.flip(2, 3), None, 1, around, 1, channels)


def _of_weight(slope: Tensor, images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Return the gradient of the weights: of small maps by pairs of pixels, else window by window of the kernel."""
    kernel, channels = weight.shape[2:], len(weight)
    if max(*kernel, *stride) <= WINDOW and min(images.shape[2:]) > WINDOW:
        return _by_library(slope, images, weight, stride, padding)
    if _is_small(images) and _is_small(slope):
        return _by_pairs(slope, images, weight, stride, padding)
    if images.dtype != torch.bfloat16:
        return _by_library(slope, images, weight, stride, padding)
    framed = F.pad(images.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0]))
    framed = framed.permute(0, 3, 1, 2)
    seen = [step * (side - 1) for step, side in zip(stride, slope.shape[2:], strict=True)]
    largest = WINDOW if max(stride) <= WINDOW else 1
    gradient = torch.empty_like(weight)
    for top, high in _windows(kernel[0], largest):
        for left, wide in _windows(kernel[1], largest):
            part = framed[:, :, top : top + seen[0] + high, left : left + seen[1] + wide]
            if largest == 1:
                steps = part[:, :, :: stride[0], :: stride[1]]
                found = (slope.float() * steps.float()).sum((0, 2, 3))[:, None, None, None]
            else:
                part = part.contiguous(memory_format=torch.channels_last)
                window = weight.new_empty(channels, 1, high, wide)
                found = _by_library(slope, part, window, stride, (0, 0))
            gradient[:, :, top : top + high, left : left + wide] = found
    return gradient


def _windows(side: int, largest: int) -> Iterator[tuple[int, int]]:
    """Yield where windows of a kernel's side begin, and their own side; the last one may overlap the one before."""
    length = min(side, largest)
    yield from ((start, length) for start in (*range(0, side - length, length), side - length))


def _by_library(
    slope: Tensor, images: Tensor, weight: Tensor, stride: Pair, padding: Pair, *, of_images: bool = False
) -> Tensor:
    """Return the gradient of the weights, or that of the images."""
    to_images, to_weight, _ = torch.ops.aten.convolution_backward(
        *(slope, images, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight)),
        (of_images, not of_images, False),
    )
    return cast(Tensor, to_images if of_images else to_weight)


def _is_small(maps: Tensor) -> bool:
    return maps.shape[2] * maps.shape[3] <= SMALL


def _by_pairs(slope: Tensor, images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Return the gradient of the weights from the product of every slope with every pixel of its image, summed over
    images by a matrix product a channel: a pair of them belongs to one weight, or to none."""
    sides = *slope.shape[2:], *images.shape[2:], *weight.shape[2:]
    with torch.autocast("cpu", enabled=False):
        slopes, pixels = slope.flatten(2).permute(1, 2, 0).float(), images.flatten(2).permute(1, 0, 2).float()
        pairs = torch.bmm(slopes, pixels).flatten(1)
        return (pairs @ _weights_of_pairs(sides, stride, padding)).view_as(weight).to(weight.dtype)


@lru_cache(maxsize=64)  # of half a megabyte at most
def _weights_of_pairs(sides: tuple[int, ...], stride: Pair, padding: Pair) -> Tensor:
    """Return which of the kernel's weights each pair of a slope and a pixel belongs to: zeros and ones `[pairs,
    weights]`. `sides` are height and width of the slopes, of the images, and of the kernel."""
    met = []
    for slopes, pixels, kernel, step, around in zip(sides[:2], sides[2:4], sides[4:], stride, padding, strict=True):
        seen = torch.arange(slopes)[:, None, None] * step + torch.arange(kernel) - around
        met.append((torch.arange(pixels)[:, None] == seen).float())
    return torch.einsum("yai,xbj->yxabij", *met).reshape(-1, sides[4] * sides[5])

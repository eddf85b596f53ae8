"""Convolutions as matrix products, where a CPU's library computes them slowly: on small maps, and of one pixel.

oneDNN walks over a map's pixels, which is quick where these are many. Milliseconds of one core in bfloat16, 128 images,
3 x 3 kernels (torch 2.14 and 2.15), as the library does it and as a product, with AMX (Xeon) and without (EPYC):

| channels | map | AMX: output | its inputs' gradient | its weights' | without: output | inputs | weights |
|---|---|---:|---:|---:|---:|---:|---:|
| 256 | 6 x 6 | 5, 9 | 5, 10 | 26, 11 | 20, 27 | 21, 40 | 26, 30 |
| 256 | 3 x 3 | 2, 2 | 2, 3 | 19, 3 | 5, 7 | 5, 9 | 10, 8 |
| 512 | 2 x 2 | 28, 4 | 29, 6 | 76, 5 | 13, 13 | 14, 15 | 23, 13 |
| 1024 | 3 x 3 | - | - | - | 118, 107 | 118, 122 | 196, 114 |
| 512, 1 x 1 kernel | 3 x 3 | 1.1, 0.6 | 1.1, 0.6 | 7.5, 1.1 | 3.2, 2.9 | 3.5, 2.9 | 4.8, 3.3 |
| 256, 1 x 1 kernel | 12 x 12 | - | - | - | 12, 13 | 12, 12 | 13, 14 |

With AMX a training step of resemotenet is 5.5 times as fast, of resnet18 3.1, of resnet34 1.7, of vgg_fer and
vgg_fer_wide 1.15; without, fewer layers gain. Numbers are those of the library but for the order in which products are
added up, in float32 either way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from zoo.training.convolution import OwnConv2d, computed_in, is_usual
from zoo.training.depthwise import depthwise_kind
from zoo.training.prelu import OwnPReLU
from zoo.training.winograd import Winograd, pays
from zoo.winograd import fits

TINY = 9  # pixels of a map: up to here all three are faster as products, with enough pairs of channels
POINTWISE = 2**13  # pairs of an input and an output channel of a kernel of one pixel: from here on all three may be


class Limits(NamedTuple):
    """What a CPU computes faster as products: maps of up to so many pixels, and so many pairs of channels or more."""

    weights: int  # pixels: the gradient of the weights, in bfloat16
    pairs: int  # on tiny maps, all three
    pointwise: float  # pixels: all three of kernels of one pixel


WITHOUT_AMX = Limits(weights=16, pairs=2**20, pointwise=16)
OTHERS = Limits(weights=36, pairs=2**17, pointwise=math.inf)


class Ways(NamedTuple):
    """What of a convolution is a matrix product: its output, and the gradients of its input and of its weights."""

    output: bool
    inputs: bool
    weights: bool


LIBRARY, ALL = Ways(False, False, False), Ways(True, True, True)


def use_products(network: nn.Module) -> None:
    """Have the convolutions of a network, which trains on a CPU, compute as products what is faster so; depthwise ones
    as zoo/training/depthwise.py says, and PReLU as zoo/training/prelu.py.

    Weights, their names and the network's outputs stay as they are.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and layer.groups == 1 and is_usual(layer):
            layer.__class__ = ProductConv2d
        elif (own := depthwise_kind(layer)) is not None:
            layer.__class__ = own
        elif type(layer) is nn.PReLU:
            layer.__class__ = OwnPReLU


@contextmanager
def by_library() -> Iterator[None]:
    """Leave all convolutions to the library while the context lasts, as who counts its operators wants them."""
    before, OwnConv2d.may = OwnConv2d.may, False
    try:
        yield
    finally:
        OwnConv2d.may = before


class ProductConv2d(OwnConv2d):
    """A convolution that is computed in the fastest of three ways for the size of its input."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.by_tiles(input):
            output = cast(Tensor, Winograd.apply(input, weight))
            return output if bias is None else output + bias[:, None, None]
        ways = self.ways(input)
        if ways == LIBRARY:  # which keeps a cast weight for the next batches
            return super()._conv_forward(input, weight, bias)
        dtype = computed_in(input)
        output = cast(Tensor, _Convolution.apply(input.to(dtype), weight.to(dtype), self.stride, self.padding, ways))
        return output if bias is None else output + bias.to(output.dtype)[:, None, None]

    def by_tiles(self, images: Tensor) -> bool:
        """Return whether images `[B,C,H,W]` are convolved tile by tile, as zoo/training/winograd.py says."""
        return (
            self.takes(images)
            and fits(self)
            and images.dtype == computed_in(images) == torch.float32
            and pays(self.in_channels, self.out_channels, *images.shape[2:])
        )

    def ways(self, images: Tensor) -> Ways:
        """Return what is computed as a product for images `[B,C,H,W]`."""
        if not self.takes(images):
            return LIBRARY
        pairs = self.in_channels * self.out_channels
        high, wide = _output_size(images, self.weight, self.stride, self.padding)
        pixels, limits = high * wide, _limits()
        if self.kernel_size == self.stride == (1, 1) and self.padding == (0, 0):
            return ALL if pairs >= POINTWISE and pixels <= limits.pointwise else LIBRARY
        if pixels <= TINY and pairs >= limits.pairs:
            return ALL
        return Ways(False, False, computed_in(images) == torch.bfloat16 and pixels <= limits.weights)


@cache
def _limits() -> Limits:
    """Return those of this CPU: of one with AVX-512 and no AMX, or else what was measured before."""
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)()  # torch 2.5 does not say
    return WITHOUT_AMX if torch.backends.cpu.get_cpu_capability().startswith("AVX512") and not has_amx else OTHERS


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, images: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], ways: Ways
    ) -> Tensor:
        context.save_for_backward(images, weight)
        context.options = stride, padding, ways
        if not ways.output:
            return F.conv2d(images, weight, None, stride, padding)
        size = len(images), len(weight), *_output_size(images, weight, stride, padding)
        # Not a view of the product's pixels: autograd lets no layer overwrite one, as ReLU in place does.
        output = torch.empty(size, dtype=images.dtype, memory_format=torch.channels_last)
        pixels = output.permute(0, 2, 3, 1).view(-1, len(weight))
        torch.mm(_patches(images, weight, stride, padding), _matrix(weight).t(), out=pixels)
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        (images, weight), (stride, padding, ways) = context.saved_tensors, context.options
        of_images, of_weight = context.needs_input_grad[:2]
        by_library = of_images and not ways.inputs, of_weight and not ways.weights
        to_images, to_weight = None, None
        if any(by_library):
            to_images, to_weight, _ = torch.ops.aten.convolution_backward(
                slope, images, weight, None, stride, padding, (1, 1), False, (0, 0), 1, (*by_library, False)
            )
        pixels = slope.permute(0, 2, 3, 1).reshape(-1, len(weight))
        if of_weight and ways.weights:
            shape = len(weight), *weight.shape[2:], weight.shape[1]
            to_weight = (pixels.t() @ _patches(images, weight, stride, padding)).view(shape).permute(0, 3, 1, 2)
        if of_images and ways.inputs:
            to_images = _scattered(pixels @ _matrix(weight), images, weight, stride, padding)
        return to_images, to_weight, None, None, None


def _output_size(images: Tensor, weight: Tensor, stride: tuple[int, ...], padding: Any) -> tuple[int, int]:
    sides = zip(images.shape[2:], weight.shape[2:], stride, padding, strict=True)
    high, wide = ((side + 2 * around - kernel) // step + 1 for side, kernel, step, around in sides)
    return high, wide


def _matrix(weight: Tensor) -> Tensor:
    """Return weights `[O,C,h,w]` as `[O, h*w*C]`: no copy where channels come last."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _patches(images: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """Return what each output pixel sees of images `[B,C,H,W]`: `[B * pixels, h*w*C]`."""
    (count, channels), (h, w) = images.shape[:2], weight.shape[2:]
    high, wide = _output_size(images, weight, stride, padding)
    around = F.pad(images.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0])).contiguous()
    image, line, pixel, number = around.stride()
    strides = image, stride[0] * line, stride[1] * pixel, line, pixel, number
    return around.as_strided((count, high, wide, h, w, channels), strides).reshape(-1, h * w * channels)


def _scattered(
    patches: Tensor, images: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Return the sum of what `_patches` took from each pixel of the images: the inverse of its copies."""
    (count, channels, height, width), (h, w) = images.shape, weight.shape[2:]
    if (h, w) == stride == (1, 1):
        return patches.view(count, height, width, channels).permute(0, 3, 1, 2)
    high, wide = _output_size(images, weight, stride, padding)
    parts = patches.view(count, high, wide, h, w, channels)
    around = torch.zeros(count, height + 2 * padding[0], width + 2 * padding[1], channels)
    for row in range(h):
        for column in range(w):
            rows = slice(row, row + stride[0] * (high - 1) + 1, stride[0])
            around[:, rows, column : column + stride[1] * (wide - 1) + 1 : stride[1]] += parts[:, :, :, row, column]
    inner = around[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width]
    return inner.to(images.dtype).permute(0, 3, 1, 2)

"""Blocks that several networks share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> list[nn.Module]:
    """Return a convolution, by default without a bias, and a batch norm; no activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
    return [conv, nn.BatchNorm2d(outputs)]


class SqueezeExcite(nn.Module):
    """Channel gate from the pooled map (arXiv:1709.01507)."""

    def __init__(self, channels: int, reduction: int = 16, bias: bool = True) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        squeeze, excite = nn.Linear(channels, hidden, bias=bias), nn.Linear(hidden, channels, bias=bias)
        self.gate = nn.Sequential(squeeze, nn.ReLU(inplace=True), excite, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean(dim=(2, 3)))[:, :, None, None]


class PointwiseDown(nn.Sequential):
    """1x1 convolution of stride 2, done by taking every second pixel and convolving those; the numbers are the same.

    The strided form writes past its memory in the float32 backward pass of torch 2.15 on AVX-512 CPUs
    (channels-last, 8 input channels), which ends the process.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__(_EverySecond(), nn.Conv2d(inputs, outputs, 1, bias=bias))


class _EverySecond(nn.Module):
    """Takes every second pixel of every second row.

    The gradient of a slice has channels first, and so has every sum with it: the layers before would copy each of their
    gradients. A training takes means of one pixel, whose gradient keeps the order of its input.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 1, 2) if self.training else x[:, :, ::2, ::2]

"""Blocks that several networks share."""

from __future__ import annotations

from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Convolution without bias, then batch norm; no activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class SqueezeExcite(nn.Module):
    """Channel gate from the pooled map (arXiv:1709.01507)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean(dim=(2, 3)))[:, :, None, None]


class PointwiseDown(nn.Sequential):
    """1x1 convolution of stride 2, as taking every second pixel and convolving those: the same numbers.

    The strided form writes past its memory in the float32 backward pass of torch 2.15 on AVX-512 CPUs
    (channels-last, 8 input channels), which ends the process.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(_EverySecond(), nn.Conv2d(inputs, outputs, 1, bias=False))


class _EverySecond(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2, ::2]

"""mini-Xception of Arriaga, Valdenegro-Toro and Ploeger (arXiv:1710.07557): 56,951 trainable parameters."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.layers import PointwiseDown
from zoo.recipes import DEPTHWISE, Loss
from zoo.registry import register


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, bias=False), _norm(outputs), nn.ReLU(inplace=True)]


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)  # Keras' default, which the published weights carry


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return [depthwise, nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs)]


class XceptionModule(nn.Module):
    """Two separable convolutions and a pooling, beside a strided 1x1 convolution; no activation after the sum."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*_separable(inputs, outputs), nn.ReLU(inplace=True), *_separable(outputs, outputs))
        self.shortcut = nn.Sequential(PointwiseDown(inputs, outputs), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return _pool_same(self.branch(x)) + self.shortcut(x)


def _pool_same(x: Tensor) -> Tensor:
    """3x3 max pooling of stride 2 as TensorFlow pads it: even sides at the far edge only, odd sides at both."""
    if x.shape[-1] % 2:
        return F.max_pool2d(x, 3, 2, padding=1)
    return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)


@register(
    recipe=replace(DEPTHWISE, epochs=6, weight_decay=0.01, loss=Loss(label_smoothing=0.0), bf16_on_cpu=True),
    image_size=64,
    reference="arXiv:1710.07557",
)
def mini_xception(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Four residual modules of separable convolutions, no dense layer"""
    widths = (8, 16, 32, 64, 128)
    modules = [XceptionModule(inputs, outputs) for inputs, outputs in pairwise(widths)]
    classify = nn.Conv2d(128, num_classes, 3, padding=1)
    return nn.Sequential(*_conv(in_chans, 8), *_conv(8, 8), *modules, classify, nn.AdaptiveAvgPool2d(1), nn.Flatten())

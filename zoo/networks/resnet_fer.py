"""A pre-activation residual network with squeeze-and-excitation, made for 48x48 faces on few cores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from zoo.networks.layers import PointwiseDown, SqueezeExcite, conv_bn
from zoo.recipes import PLAIN
from zoo.registry import register


class PreActBlock(nn.Module):
    """BN-ReLU-conv twice, gated, plus the input (arXiv:1603.05027); the shortcut of a smaller map is a 1x1 convolution.

    A block of stride 1 keeps its width."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.residual = nn.Sequential(
            *conv_bn(inputs, outputs, stride=stride),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            SqueezeExcite(outputs),
        )
        self.shortcut = PointwiseDown(inputs, outputs) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        entered = self.enter(x)
        skipped = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(entered)
        return self.residual(entered) + skipped


def preact_resnet(
    widths: Sequence[int], depths: Sequence[int], num_classes: int, in_chans: int, dropout: float
) -> nn.Sequential:
    """Return a stem of stride 2 and a stage for each width; each stage but the first halves the map."""
    layers: list[nn.Module] = [nn.Conv2d(in_chans, widths[0], 5, 2, padding=2, bias=False)]
    channels = widths[0]
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for block in range(depth):
            layers.append(PreActBlock(channels, width, stride=2 if stage and not block else 1))
            channels = width
    head = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head, nn.Dropout(dropout), nn.Linear(channels, num_classes))


@register(recipe=replace(PLAIN, normalise="image"), image_size=48, reference="arXiv:1603.05027")
def resnet_fer(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """SE pre-activation ResNet, 10 convolutions in blocks on maps of 24, 12 and 6; each image standardised"""
    return preact_resnet((64, 128, 256), (1, 2, 2), num_classes, in_chans, dropout=0.3)

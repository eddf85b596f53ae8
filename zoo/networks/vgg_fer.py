"""A VGG-like network for 48x48 faces on few cores.

The first convolution halves the map at once: on a CPU, a 48x48 stage costs more in memory traffic than it gives in
accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from zoo.networks.layers import conv_bn
from zoo.recipes import MUON, PLAIN
from zoo.registry import register

STAGES = ((64, 64), (128, 128, 128), (256, 256, 256))
"""Widths of vgg_fer's convolutions."""

WIDE = ((96, 96), (192, 192, 192), (384, 384, 384))
"""Those of vgg_fer_wide."""


def vgg_trunk(stages: Sequence[Sequence[int]], in_chans: int) -> nn.Sequential:
    """Return stages of 3x3 convolution, batch norm and ReLU, with 2x2 max pooling between: [B,stages[-1][-1],H,W]."""
    layers: list[nn.Module] = [*conv_bn(in_chans, stages[0][0], kernel=5, stride=2), nn.ReLU(inplace=True)]
    channels = stages[0][0]
    for index, widths in enumerate(stages):
        if index:
            layers.append(nn.MaxPool2d(2))
        for width in widths:
            layers += [*conv_bn(channels, width), nn.ReLU(inplace=True)]
            channels = width
    return nn.Sequential(*layers)


def vgg(stages: Sequence[Sequence[int]], num_classes: int, in_chans: int, dropout: float) -> nn.Sequential:
    """Return the trunk, global average pooling, dropout and one linear layer."""
    trunk = vgg_trunk(stages, in_chans)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(stages[-1][-1], num_classes)]
    return nn.Sequential(*trunk, *head)


@register(recipe=replace(PLAIN, epochs=30), image_size=48, reference="arXiv:1409.1556")
def vgg_fer(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """VGG-like, 8 convolutions on maps of 24, 12 and 6"""
    return vgg(STAGES, num_classes, in_chans, dropout=0.3)


@register(recipe=replace(MUON, epochs=30, normalise="image"), image_size=48, reference="arXiv:1409.1556")
def vgg_fer_wide(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """VGG-like, 8 convolutions, half as wide again as vgg_fer; each image standardised"""
    return vgg(WIDE, num_classes, in_chans, dropout=0.3)

"""ResEmoteNet of Roy et al. (arXiv:2409.10545): a plain stem, one channel gate, three wide residual blocks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn

from zoo.networks.layers import PointwiseDown, SqueezeExcite, conv_bn
from zoo.recipes import ADAMW, Augment, Loss, Recipe
from zoo.registry import register

HOUSE = replace(ADAMW, epochs=12, learning_rate=1e-3)

PAPER = Recipe(
    epochs=80,
    batch_size=16,
    learning_rate=1e-3,
    weight_decay=1e-4,
    schedule="constant",
    warmup=0.0,
    stop_after=16,
    clip_norm=0.0,
    average="none",
    normalise="imagenet",
    tta="none",
    augment=Augment(shift=0.0, rotation=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
)


class DownBlock(nn.Module):
    """Two 3x3 convolutions, the first of stride 2, beside a strided 1x1 convolution; ReLU after the sum."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        first = [*conv_bn(inputs, outputs, stride=2, bias=True), nn.ReLU(inplace=True)]
        self.residual = nn.Sequential(*first, *conv_bn(outputs, outputs, bias=True))
        self.shortcut = nn.Sequential(PointwiseDown(inputs, outputs, bias=True), nn.BatchNorm2d(outputs))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.residual(x) + self.shortcut(x))


def _stem(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    conv = conv_bn(inputs, outputs, bias=True)
    return [*conv, nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(dropout)]


@register(recipe=HOUSE, image_size=48, reference="arXiv:2409.10545", paper=PAPER, paper_size=64)
def resemotenet(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """ResEmoteNet: three convolutions, squeeze-and-excitation, residual blocks of 512, 1024 and 2048 channels

    80,238,599 parameters at 7 classes and three channels, as the published code has; 80,237,447 at one: the paper
    copies grey to three channels, which adds nothing but 1,152 weights. Published: 79.79 % on FER2013, on a copy of the
    data that holds near-duplicates across its splits; others who train on the original reach 58 to 60 % from scratch.

    Paper and code disagree on the learning rate (reduced on a plateau, or constant): the recipe follows the code. The
    code flips images at random in validation and test too; the recipe does not.
    """
    if image_size < 8:
        raise ValueError(f"resemotenet halves its map three times before the residual blocks: {image_size=} is below 8")
    widths = (2048, 1024, 512, 256)
    head: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        head += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(
        *_stem(in_chans, 64, dropout=0.2),
        *_stem(64, 128, dropout=0.2),
        *_stem(128, 256, dropout=0.0),
        SqueezeExcite(256, bias=False),
        DownBlock(256, 512),
        DownBlock(512, 1024),
        DownBlock(1024, 2048),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        *head,
        nn.Linear(256, num_classes),
    )

"""Residual Masking Network of Pham et al. (ICPR 2020): a ResNet-34 whose stages are followed by U-shaped masks."""

from __future__ import annotations

from dataclasses import replace

import torch
from timm.models.resnet import BasicBlock, resnet34
from torch import Tensor, nn

from zoo.networks.layers import conv_bn
from zoo.recipes import PLAIN, Augment, Loss, Recipe
from zoo.registry import register

STRIDE = 32

HOUSE = replace(PLAIN, epochs=8, batch_size=64, learning_rate=0.05, start_size=1.0)

PAPER = Recipe(
    epochs=50,
    batch_size=48,
    optimizer="radam",
    learning_rate=1e-4,
    weight_decay=1e-3,
    schedule="plateau",
    warmup=0.0,
    patience=2,
    stop_after=9,
    clip_norm=0.0,
    average="none",
    normalise="unit",
    tta="rotate",
    augment=Augment(rotation=30.0, shift=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
)


class ResidualMask(nn.Module):
    """x * (1 + mask), the mask a softmax over channels at every position: float [B,C,H,W] to the same shape.

    A U-Net of `depth` basic blocks down, each twice as wide as the one before, and `depth` up; H and W must be
    multiples of 2**(depth - 1).
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        widths = [channels << level for level in range(depth + 1)]
        self.down = nn.ModuleList(_basic_block(width, 2 * width) for width in widths[:-1])
        self.pool = nn.MaxPool2d(2)
        self.enlarge = nn.ModuleList(_enlarge(width) for width in widths[:1:-1])
        self.up = nn.ModuleList(_basic_block(width, width // 2) for width in widths[:1:-1])
        self.last = _basic_block(widths[1], channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                module.zero_init_last()

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + self.mask(x))

    def mask(self, x: Tensor) -> Tensor:
        """Return weights [B,C,H,W] in [0,1] that sum to one over the channels."""
        encoded = [self.down[0](x)]
        for block in self.down[1:]:
            encoded.append(block(self.pool(encoded[-1])))
        decoded = encoded.pop()
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            decoded = block(torch.cat((encoded.pop(), enlarge(decoded)), dim=1))
        return self.last(decoded).softmax(dim=1)


def _basic_block(inputs: int, outputs: int) -> BasicBlock:
    return BasicBlock(inputs, outputs, downsample=nn.Sequential(*conv_bn(inputs, outputs, kernel=1)))


def _enlarge(width: int) -> nn.Sequential:
    half = width // 2
    return nn.Sequential(nn.ConvTranspose2d(width, half, 2, stride=2), nn.BatchNorm2d(half), nn.ReLU(inplace=True))


@register(recipe=HOUSE, image_size=64, reference="doi:10.1109/ICPR48806.2021.9411919", paper=PAPER, paper_size=224)
def residual_masking(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Residual Masking Network: ResNet-34, each stage followed by a U-Net mask over channels, dropout 0.4

    137,796,423 parameters at 7 classes and three channels, as the published code has (the paper's table: 142.9 M);
    137,790,151 at one channel. Published: 74.14 % on PrivateTest, from ImageNet weights; without, others saw 65.7 %.
    The image side must be a multiple of 32, as the masks halve and double their maps.

    The code is followed: a stem of 7x7 (the paper's text says 3x3, its table 7x7), RAdam (the paper gives a momentum),
    masks by softmax. The published test-time augmentation averages ten random flips and rotations; the recipe rotates.
    """
    if image_size % STRIDE or image_size < STRIDE:
        near = max(STRIDE, image_size // STRIDE * STRIDE)
        raise ValueError(
            f"residual_masking cannot take {image_size=}: its masks halve and double maps, so the side must be a "
            f"multiple of {STRIDE}; use {near} or {near + STRIDE}"
        )
    network = resnet34(in_chans=in_chans, num_classes=num_classes, drop_rate=0.4)
    for name, channels, depth in (("layer1", 64, 4), ("layer2", 128, 3), ("layer3", 256, 2), ("layer4", 512, 1)):
        network.add_module(name, nn.Sequential(network.get_submodule(name), ResidualMask(channels, depth)))
    return network

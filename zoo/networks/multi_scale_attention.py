"""The multi-scale attention network of the EmotionNet code (commit d0902b8; no paper).

Three kinds of attention look at a trunk's last map, which is then pooled over 1, 4 and 9 regions and by learned
weights. Two classifiers read the result; the main one's logits are divided by a temperature that is trained with the
rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import timm
import torch
from torch import Tensor, nn

from zoo.networks.layers import conv_bn
from zoo.networks.vgg_fer import STAGES, vgg_trunk
from zoo.outputs import Outputs
from zoo.recipes import ADAMW, Augment, Loss, Recipe
from zoo.registry import register

REGIONS = (1, 2, 3)  # a side, of the average pools
HIDDEN = 1024

OF_CODE = Recipe(
    epochs=80,
    batch_size=32,
    optimizer="adabelief",
    learning_rate=3e-4,
    weight_decay=0.01,
    warmup=0.3,
    clip_norm=1.0,
    ema_decay=0.999,
    sampling="balanced",
    mixup=0.3,
    cutmix=1.0,
    mix_probability=0.5,
    normalise="imagenet",
    bf16_on_cpu=False,
    augment=Augment(
        shift=0.0,
        rotation=15.0,
        scale=0.0,
        contrast=0.3,
        brightness=0.15,  # of full scale: 30 % of a mean grey
        erase=0.0,
        crop=0.8,
        saturation=0.3,
        grayscale=0.1,
    ),
    loss=Loss(kind="poly", label_smoothing=0.0, epsilon=2.0, auxiliary=0.3),
)
"""The recipe of the code, but for its learning rate: a factor of 0.95 for each dot in a parameter's name, which says
nothing about the parameter's depth."""


class ChannelGate(nn.Sequential):
    """One weight for each channel, [B,C,H,W] to [B,C,1,1], from the pooled map."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        hidden = channels // reduction
        squeeze = [*conv_bn(channels, hidden, kernel=1), nn.ReLU(inplace=True)]
        super().__init__(nn.AdaptiveAvgPool2d(1), *squeeze, *conv_bn(hidden, channels, kernel=1), nn.Sigmoid())


class SpatialGate(nn.Module):
    """One weight for each position, [B,C,H,W] to [B,1,H,W], from the mean and the largest channel there."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(*conv_bn(2, 1, kernel=7), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1))


class Relation(nn.Module):
    """Every position plus a mix of all positions, by similarity (arXiv:1809.02983); the mix starts with weight 0."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // reduction, 1)
        self.key = nn.Conv2d(channels, channels // reduction, 1, bias=False)  # the softmax would cancel a bias
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        likeness = (query.transpose(1, 2) @ key).softmax(dim=2)
        return x + self.gamma * (value @ likeness.transpose(1, 2)).view_as(x)


class TripleAttention(nn.Module):
    """Channels, positions and their relations, each attended to on its own, side by side, then fused: [B,C,H,W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel, self.spatial, self.relation = ChannelGate(channels), SpatialGate(), Relation(channels)
        self.fuse = nn.Sequential(*conv_bn(3 * channels, channels, kernel=1), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.fuse(torch.cat([x * self.channel(x), x * self.spatial(x), self.relation(x)], dim=1))


class MultiScalePool(nn.Module):
    """A map [B,C,H,W] to [B,15 C]: averages over 1, 4 and 9 regions, and one weighted by learned attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.regions = nn.ModuleList(nn.AdaptiveAvgPool2d(side) for side in REGIONS)
        self.score = nn.Conv2d(channels, 1, 1, bias=False)  # the softmax would cancel a bias
        self.scale = 1 + sum(side**2 for side in REGIONS)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.score(x).flatten(2).softmax(dim=2)
        attended = (x.flatten(2) * weights).sum(dim=2)
        return torch.cat([*(pool(x).flatten(1) for pool in self.regions), attended], dim=1)


class MultiScaleAttention(nn.Module):
    """Images [B,in_chans,H,W] to logits [B,K]; in training Outputs with the auxiliary classifier's logits.

    `backbone` turns images into a map of `channels` channels.
    """

    def __init__(self, backbone: nn.Module, channels: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = TripleAttention(channels)
        self.pool = MultiScalePool(channels)
        self.embed = nn.Sequential(
            nn.Linear(self.pool.scale * channels, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
        )
        self.main = nn.Linear(HIDDEN, num_classes)
        self.auxiliary = nn.Linear(HIDDEN, num_classes)
        self.log_temperature = nn.Parameter(torch.zeros(1))

    @property
    def classifier(self) -> nn.Linear:
        """The dense layer that makes the main logits."""
        return self.main

    @property
    def temperature(self) -> Tensor:
        """What the main logits are divided by, [1], always positive; 1 to begin with."""
        return self.log_temperature.exp()

    def forward(self, x: Tensor) -> Tensor | Outputs:
        embedded = self.embed(self.pool(self.attention(self.backbone(x))))
        logits = self.main(embedded) / self.temperature
        return Outputs(logits, auxiliary=self.auxiliary(embedded)) if self.training else logits


@register(
    recipe=replace(ADAMW, learning_rate=5e-4, start_size=1.0),
    image_size=96,
    reference="arXiv:2201.03545",
    paper=OF_CODE,
    paper_size=224,
)
def multi_scale_attention_base(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """ConvNeXt base, triple attention, pooling at four scales, two classifiers: the EmotionNet code

    Counted at 7 classes and 3 channels: 108,036,724 parameters, of which 4,724,197 are the triple attention; the code's
    103.3 M are the rest, since its attention is in another model's file. The claimed 72 to 75 % were not measured
    with it: the script pools an already pooled vector, so it cannot have run. Our recipe has images of 96 pixels, of
    which ConvNeXt's stride of 32 leaves a map of 3x3; of 48 pixels it leaves a single position. Made for a GPU.
    """
    _require(image_size, 32, "multi_scale_attention_base")
    backbone: Any = timm.create_model("convnext_base", in_chans=in_chans, num_classes=0, global_pool="")
    return MultiScaleAttention(backbone, backbone.num_features, num_classes)


@register(
    recipe=replace(ADAMW, learning_rate=5e-4, epochs=24), image_size=48, reference="arXiv:1409.1556", paper=OF_CODE
)
def multi_scale_attention_small(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """The multi-scale attention network on the trunk of vgg_fer, made for 48x48 faces on few cores

    6,166,420 parameters at 7 classes and one channel. Its map of 6x6 positions divides evenly into 1, 4 and 9 regions;
    resnet10t in its place trains at 70 % of the speed and leaves a map of 3x3.
    """
    _require(image_size, 8, "multi_scale_attention_small")
    return MultiScaleAttention(vgg_trunk(STAGES, in_chans), STAGES[-1][-1], num_classes)


def _require(image_size: int, smallest: int, name: str) -> None:
    if image_size < smallest:
        raise ValueError(f"{name} needs images of {smallest} pixels or more a side, not {image_size}")

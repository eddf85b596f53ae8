"""VGGNet of Khaireddin and Chen (arXiv:2105.03588), whose work is mostly in its training recipe."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from zoo.networks.layers import conv_bn
from zoo.recipes import PLAIN, Augment, Loss, Recipe
from zoo.registry import register

CROP = 40 / 48  # of the image side: what the network sees of FER2013's 48 pixels

HOUSE = replace(PLAIN, epochs=16, learning_rate=0.03, start_size=1.0, crop_ratio=CROP)

PAPER = Recipe(
    epochs=300,
    batch_size=64,
    learning_rate=0.01,
    weight_decay=1e-4,
    schedule="plateau",
    warmup=0.0,
    decay=0.75,
    clip_norm=0.0,
    average="none",
    normalise="unit",
    crop_ratio=CROP,
    tta="ten_crop",
    augment=Augment(crop=0.8, shift=0.2, rotation=10.0, erase=0.5, scale=0.0, contrast=0.0, brightness=0.0),
    loss=Loss(label_smoothing=0.0),
)


def _dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.Dropout(0.2), nn.ReLU(inplace=True)]


@register(recipe=HOUSE, image_size=40, reference="arXiv:2105.03588", paper=PAPER)
def vggnet(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """VGGNet of Khaireddin and Chen: four stages of two convolutions, three dense layers, crops of 40 from 48 pixels

    29,890,759 parameters at 7 classes and one channel, 25.2 M of them in the dense layers. Published: 73.28 %, but on
    PublicTest, after training on PrivateTest too: not comparable with results on PrivateTest.

    The paper trains on all ten crops of each image, the recipe on one drawn at each visit; shift and rotation reach
    every image, not half of them. Dropout is 0.2, as in the network: the code sets 0.1 but never passes it on.
    """
    side = image_size // 16
    if side < 1:
        raise ValueError(f"vggnet halves its map four times: {image_size=} is below 16 pixels")
    layers: list[nn.Module] = []
    channels = in_chans
    for width in (64, 128, 256, 512):
        layers += [*conv_bn(channels, width, bias=True), nn.ReLU(inplace=True)]
        layers += [*conv_bn(width, width, bias=True), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = width
    head = [*_dense(channels * side**2, 4096), *_dense(4096, 4096), nn.Linear(4096, num_classes)]
    return nn.Sequential(*layers, nn.Flatten(), *head)

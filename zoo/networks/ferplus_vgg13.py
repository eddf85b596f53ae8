"""VGG13 of Barsoum et al. (arXiv:1608.01041), the network that came with the FER+ labels."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from zoo.recipes import ADAMW, Augment, Labels, Loss, Recipe
from zoo.registry import register

HOUSE = replace(ADAMW, epochs=16, learning_rate=1e-3, start_size=1.0)

PAPER = Recipe(
    epochs=100,
    batch_size=32,
    learning_rate=0.05,
    weight_decay=0.0,
    schedule="step",
    warmup=0.0,
    decay=0.5,
    step_epochs=20,
    clip_norm=0.0,
    average="none",
    preprocess="equalise",
    normalise="image",
    tta="none",
    augment=Augment(shift=0.08, rotation=20.0, scale=0.05, shear=2.9, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
    labels=Labels(votes=True),
)


def _stage(inputs: int, outputs: int, depth: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Conv2d(outputs if index else inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
    return [*layers, nn.MaxPool2d(2), nn.Dropout(0.25)]


def _dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(0.5)]


@register(recipe=HOUSE, image_size=48, reference="arXiv:1608.01041", paper=PAPER, paper_size=64)
def ferplus_vgg13(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """VGG13 of Barsoum et al. for FER+: ten convolutions without batch norm, three dense layers, much dropout

    8,757,704 parameters at 8 classes, one channel and 64 pixels; 8,756,679 at 7 classes. Published on FER+: 84.72 % by
    cross-entropy on the votes (the recipe's targets), 84.99 % by drawing one class at each visit, 83.85 % by majority.

    The paper's learning rate is 0.05, 0.025 and from epoch 40 on 0.005; the recipe has a single factor, and halves it
    every 20 epochs. The plane fitted to each image's light is not removed. Kernels start by He's rule
    (arXiv:1502.01852).
    """
    side = image_size // 16
    if side < 1:
        raise ValueError(f"ferplus_vgg13 halves its map four times: {image_size=} is below 16 pixels")
    network = nn.Sequential(
        *_stage(in_chans, 64, depth=2),
        *_stage(64, 128, depth=2),
        *_stage(128, 256, depth=3),
        *_stage(256, 256, depth=3),
        nn.Flatten(),
        *_dense(256 * side**2, 1024),
        *_dense(1024, 1024),
        nn.Linear(1024, num_classes),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network

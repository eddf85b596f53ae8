"""The five-layer CNN of Khanzada et al. (arXiv:2004.11823), after Kim et al.: 66.3 % on PrivateTest in their table."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from zoo.recipes import PLAIN, Augment, Loss, Recipe
from zoo.registry import register

PAPER = Recipe(
    epochs=300,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=1e-4,
    schedule="plateau",
    warmup=0.0,
    decay=0.5,
    patience=10,
    clip_norm=0.0,
    average="none",
    normalise="unit",
    tta="none",
    augment=Augment(flip=True, shift=0.1, rotation=10.0, scale=0.1, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
)
"""The paper says learning rate 0.1; the authors' notebooks, and the names of the models behind its table, say 0.01."""


def _stage(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    before, after = (
        (kernel - 1) // 2,
        kernel // 2,
    )  # as TensorFlow pads: an even kernel has its odd pixel at the far edge
    conv = [nn.ZeroPad2d((before, after, before, after)), nn.Conv2d(inputs, outputs, kernel)]
    return [*conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1), nn.Dropout(0.3)]


@register(
    recipe=replace(PLAIN, epochs=16, learning_rate=0.05, start_size=1.0),
    image_size=48,
    reference="arXiv:2004.11823",
    paper=PAPER,
    paper_size=48,
)
def five_layer_cnn(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Three wide-kernel convolutions and two dense layers, batch norm and dropout 0.3

    2,436,007 weights at 7 classes besides those of batch norm, as counted from the paper's description.
    """
    flat = 64 * (image_size // 8) ** 2
    return nn.Sequential(
        *_stage(in_chans, 32, kernel=5),
        *_stage(32, 32, kernel=4),
        *_stage(32, 64, kernel=5),
        nn.Flatten(),
        nn.Linear(flat, 1024),
        nn.BatchNorm1d(1024),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.Linear(1024, num_classes),
    )

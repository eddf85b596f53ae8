"""Tiny networks for the digits suite, where the whole chain has to run in seconds on one core."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from zoo.networks.resnet_fer import preact_resnet
from zoo.recipes import DIGITS
from zoo.registry import register


@register(recipe=replace(DIGITS, learning_rate=0.02), image_size=8, reference="doi:10.1111/j.2517-6161.1958.tb00292.x")
def linear(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Multinomial logistic regression on pixels, the floor"""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * image_size**2, num_classes))


@register(recipe=DIGITS, image_size=8, reference="doi:10.1038/323533a0")
def mlp(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Two hidden layers of 64"""
    flat = in_chans * image_size**2
    hidden = [nn.Linear(flat, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, num_classes))


@register(recipe=DIGITS, image_size=16, reference="doi:10.1109/5.726791")
def lenet(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """LeNet-like: two convolutions with pooling, two dense layers, input enlarged to 16 pixels"""
    flat = 16 * (image_size // 4) ** 2
    convolutions = [nn.Conv2d(in_chans, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    convolutions += [nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(flat, 84), nn.ReLU(), nn.Linear(84, num_classes))


@register(recipe=replace(DIGITS, normalise="image"), image_size=16, reference="arXiv:1603.05027")
def resnet_digits(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """The pre-activation ResNet with 8 and 16 channels, input enlarged to 16 pixels"""
    return preact_resnet((8, 16), (1, 1), num_classes, in_chans, dropout=0.0)

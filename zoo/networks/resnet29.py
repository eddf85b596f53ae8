"""dlib's ResNet of 29 layers, cut at mid-depth, and its start from the face recogniser of that name.

Not quite a published ResNet: convolutions that halve the map have no padding, their shortcut is a mean of 2x2 pixels
beside channels of zeros, and the smaller of the two is filled up with zeros at the bottom and the right. An image of 96
pixels leaves a map of 2x2, on which it trains at half the speed of 112, which leaves 3x3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.member import Pretrained
from zoo.pretrained.folded_norms import set_affine
from zoo.pretrained.kernels import set_kernel
from zoo.recipes import FROM_FACES, PLAIN
from zoo.registry import register

STAGES = (("32", 3), ("64", 3), ("128", 2), ("256", 2))
"""Width and residual blocks; all but the first begin with one more, which halves the map."""
FACES = "@vladmandic/face-api/face_recognition"
MEAN_RGB = (122.782, 117.001, 104.298)  # that the face network subtracts from 255 levels
SMALLEST = 59  # pixels of a side that leave something to convolve before the last stage

DLIB = Pretrained("face (dlib)", FACES, replace(FROM_FACES, epochs=40), 112)


class Unit(nn.Module):
    """A convolution and its norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(x))


class Block(nn.Module):
    """Two convolutions beside a shortcut: [B,C,H,W], or with `halves` twice the channels on half the map."""

    def __init__(self, channels: int, halves: bool = False) -> None:
        super().__init__()
        self.halves = halves
        inputs, stride, padding = (channels // 2, 2, 0) if halves else (channels, 1, 1)
        self.conv1 = Unit(inputs, channels, stride=stride, padding=padding)
        self.conv2 = Unit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(F.relu(self.conv1(x)))
        if self.halves:
            pooled = F.avg_pool2d(x, 2)
            x = torch.cat([pooled, torch.zeros_like(pooled)], dim=1)
            out = F.pad(out, (0, x.shape[3] - out.shape[3], 0, x.shape[2] - out.shape[2]))
        return F.relu(out + x)


class MidResNet29(nn.Module):
    """Up to the second block of 256 channels, the mean over the map, and a dense layer: [B,C,S,S] to logits [B,K]."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.stem = Unit(in_chans, 32, kernel=7, stride=2, padding=0)
        blocks: dict[str, nn.Module] = {}
        for width, count in STAGES:
            if blocks:
                blocks[f"conv{width}_down"] = Block(int(width), halves=True)
            blocks |= {f"conv{width}_{number}": Block(int(width)) for number in range(1, count + 1)}
        self.blocks = nn.ModuleDict(blocks)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(256, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the last map, [B,C,S,S] to [B,256,S/32,S/32] or one less a side."""
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        for block in self.blocks.values():
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(x).mean(dim=(2, 3))))

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take over the face network's layers, for inputs in [0,1]; the classifier stays as it is.

        Without padding at the stem, subtracting a mean is a shift of its output, also for grey images, for which the
        kernels of the colours are summed. Raises ValueError where shapes differ.
        """
        kernel = tensors["conv32_down/conv/filters"]
        mean = np.array(MEAN_RGB, dtype=np.float64) / 255
        away = np.einsum("hwio,i->o", kernel.astype(np.float64), mean)
        _load_unit(self.stem, "conv32_down", kernel, tensors, away)
        for name, block in self.blocks.items():
            for unit in ("conv1", "conv2"):
                place = f"{name}/{unit}"
                _load_unit(getattr(block, unit), place, tensors[f"{place}/conv/filters"], tensors, 0.0)


def _load_unit(
    unit: Unit, name: str, kernel: np.ndarray, tensors: Mapping[str, np.ndarray], away: np.ndarray | float
) -> None:
    """Put a kernel [H,W,inputs,outputs] into a unit, and into its norm bias less `away`, scale and shift."""
    set_kernel(unit.convolution, kernel.transpose(3, 2, 0, 1), name)
    scale, bias = tensors[f"{name}/scale/weights"], tensors[f"{name}/conv/bias"]
    set_affine(unit.norm, scale, tensors[f"{name}/scale/biases"] + scale * (bias - away))


@register(recipe=replace(PLAIN, normalise="unit"), image_size=112, reference="arXiv:1512.03385", pretrained=DLIB)
def resnet29_mid(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """dlib's ResNet of 29 layers up to its second block of 256 channels, on images enlarged to 112 pixels"""
    if image_size < SMALLEST:
        raise ValueError(f"resnet29_mid needs images of at least {SMALLEST} pixels a side, not {image_size}")
    return MidResNet29(num_classes, in_chans)

"""DDAMFN, dual-direction attention on a mixed feature network (doi:10.3390/electronics12173595).

The trunk is a MobileFaceNet (arXiv:1804.07573) whose depthwise convolutions mix kernels of 3 to 9 pixels
(arXiv:1907.09595) and whose blocks carry coordinate attention (arXiv:2103.02907). Two further coordinate gates look at
its last map; at each position the larger of the two counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor, nn

from zoo.networks.layers import conv_bn
from zoo.networks.regularisers import head_similarity
from zoo.outputs import Outputs
from zoo.recipes import DEPTHWISE, Augment, Loss, Recipe
from zoo.registry import register

STRIDE = 16  # of the last map
SMALLEST_SIDE = 2 * STRIDE  # pixels: a map of one position has no coordinates to attend to
WIDTH = 512  # channels of the last map

OF_PAPER = Recipe(
    epochs=80,
    batch_size=256,
    learning_rate=0.01,
    weight_decay=1e-4,
    schedule="step",
    warmup=0.0,
    step_epochs=10,
    clip_norm=0.0,
    average="none",
    normalise="imagenet",
    bf16_on_cpu=False,
    tta="none",
    augment=Augment(shift=1 / 7, rotation=10.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.5),
    loss=Loss(label_smoothing=0.0, regulariser=0.1),
)
"""FER+'s, which has the images of FER2013; AffectNet's is Adam at 1e-4, x0.6 an epoch, 40 epochs, classes balanced."""


@dataclass(frozen=True)
class Stage:
    """`repeats` blocks of `outputs` channels; `kernels` gives each kernel size its share of the expanded channels."""

    outputs: int
    stride: int
    repeats: int
    kernels: Mapping[int, int]


STAGES = (
    Stage(64, 2, 1, {3: 64, 5: 32, 7: 32}),
    Stage(64, 1, 9, {3: 96, 5: 32}),
    Stage(128, 2, 1, {3: 128, 5: 64, 7: 64}),
    Stage(128, 1, 16, {3: 192, 5: 64}),
    Stage(256, 2, 1, {3: 256, 5: 256, 7: 256, 9: 256}),
    Stage(256, 1, 6, {3: 172, 5: 170, 7: 170}),
)


def _depthwise(channels: int, kernel: int | tuple[int, int], stride: int = 1, padding: int = 0) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)


class MixedDepthwise(nn.Module):
    """Depthwise convolution whose channels are split over several kernel sizes (arXiv:1907.09595)."""

    def __init__(self, kernels: Mapping[int, int], stride: int) -> None:
        super().__init__()
        self.widths = list(kernels.values())
        self.convolutions = nn.ModuleList(
            _depthwise(width, kernel, stride, padding=kernel // 2) for kernel, width in kernels.items()
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.widths, dim=1)
        return torch.cat([convolve(part) for convolve, part in zip(self.convolutions, parts, strict=True)], dim=1)


class CoordinateGate(nn.Module):
    """Weights [B,C,H,W] in (0,1) for a map of that shape: a factor by row times one by column (arXiv:2103.02907).

    `rows` summarises [B,C,H,W] as [B,C,H,1], `columns` as [B,C,1,W].
    """

    def __init__(self, channels: int, rows: nn.Module, columns: nn.Module) -> None:
        super().__init__()
        hidden = max(8, channels // 32)
        self.rows, self.columns = rows, columns
        self.mix = nn.Sequential(*conv_bn(channels, hidden, kernel=1), nn.Hardswish(inplace=True))
        self.row_gate = nn.Conv2d(hidden, channels, 1)
        self.column_gate = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(torch.cat([self.rows(x), self.columns(x).transpose(2, 3)], dim=2))
        rows, columns = mixed.split([x.shape[2], x.shape[3]], dim=2)
        return self.row_gate(rows).sigmoid() * self.column_gate(columns.transpose(2, 3)).sigmoid()


def pooled_gate(channels: int) -> CoordinateGate:
    """Return the gate of its paper: rows and columns are averaged."""
    return CoordinateGate(channels, nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((1, None)))


def learned_gate(channels: int, side: int) -> CoordinateGate:
    """Return the gate for maps of `side`, in which each channel learns to weigh the positions of a row or column."""
    rows = nn.Sequential(_depthwise(channels, (1, side)), nn.BatchNorm2d(channels))
    columns = nn.Sequential(_depthwise(channels, (side, 1)), nn.BatchNorm2d(channels))
    return CoordinateGate(channels, rows, columns)


class MixedBlock(nn.Module):
    """Expansion, mixed depthwise convolution, coordinate attention, projection; plus the input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernels: Mapping[int, int], stride: int) -> None:
        super().__init__()
        hidden = sum(kernels.values())
        self.expand = nn.Sequential(*conv_bn(inputs, hidden, kernel=1), nn.PReLU(hidden))
        self.mix = MixedDepthwise(kernels, stride)
        self.gate = pooled_gate(hidden)
        self.project = nn.Sequential(*conv_bn(hidden, outputs, kernel=1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(self.expand(x))
        projected = self.project(mixed * self.gate(mixed))
        return x + projected if self.residual else projected


def mixed_feature_trunk(in_chans: int) -> nn.Sequential:
    """Return the trunk: images [B,in_chans,H,W] to a map [B,512,H/16,W/16]."""
    first = STAGES[0].outputs
    layers: list[nn.Module] = [*conv_bn(in_chans, first, stride=2), nn.PReLU(first)]
    layers += [_depthwise(first, 3, padding=1), nn.BatchNorm2d(first), nn.PReLU(first)]
    channels = first
    for stage in STAGES:
        for _ in range(stage.repeats):
            layers.append(MixedBlock(channels, stage.outputs, stage.kernels, stage.stride))
            channels = stage.outputs
    return nn.Sequential(*layers, *conv_bn(channels, WIDTH, kernel=1), nn.PReLU(WIDTH))


class DualDirectionAttention(nn.Module):
    """Images [B,in_chans,S,S] to logits [B,K]; in training Outputs, whose parts are the gates, each [B,512,S/16,S/16].

    `side` is that of the last map: the kernels that sum it up have its size, so the network takes one image size.
    """

    def __init__(self, num_classes: int, in_chans: int, side: int, heads: int) -> None:
        super().__init__()
        self.trunk = mixed_feature_trunk(in_chans)
        self.heads = nn.ModuleList(learned_gate(WIDTH, side) for _ in range(heads))
        self.summarise = nn.Sequential(_depthwise(WIDTH, side), nn.BatchNorm2d(WIDTH), nn.Flatten())
        self.classify = nn.Linear(WIDTH, num_classes)

    def forward(self, x: Tensor) -> Tensor | Outputs:
        features = self.trunk(x)
        gates = tuple(head(features) for head in self.heads)
        logits = self.classify(self.summarise(features * reduce(torch.maximum, gates)))
        return Outputs(logits, parts=gates) if self.training else logits

    def regulariser(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return how alike the gates are; the paper's weight for it is 0.1."""
        return head_similarity(outputs.parts)


@register(
    recipe=replace(DEPTHWISE, epochs=10, start_size=1.0, loss=Loss(regulariser=0.1)),
    image_size=48,
    reference="doi:10.3390/electronics12173595",
    paper=OF_PAPER,
    paper_size=112,
)
def ddamfn(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Mobile trunk of mixed depthwise kernels and coordinate attention, two gates on its last map

    Published: 4.19 M parameters and 540 M multiply-adds at 112 pixels; FER+ 90.74, RAF-DB 91.35, AffectNet-7 67.03,
    AffectNet-8 64.25 %, its trunk trained on MS-Celeb-1M first, this one from scratch. Counted at 7 classes, 3 channels
    and 112 pixels: 4,105,623 and 540 M. The code's 4,187,421 hold layers that its forward pass never enters: a batch
    norm and PReLU beside each mixed convolution (29,184), a depthwise layer in each head (52,224), a batch norm of the
    logits (14); and 376 biases that batch norms cancel. We follow the forward pass. The kernels that sum up the last
    map, 7x7 in the paper, are as large as that map is: 3x3 at 48 pixels (4,075,799 parameters with one channel), 4x4
    at 64.
    """
    if image_size < SMALLEST_SIDE:
        raise ValueError(f"ddamfn needs images of {SMALLEST_SIDE} pixels or more a side, not {image_size}")
    return DualDirectionAttention(num_classes, in_chans, side=-(-image_size // STRIDE), heads=2)

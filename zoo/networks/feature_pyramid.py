"""The multi-scale attention network on a feature pyramid (arXiv:1612.03144): on all stages of a trunk, not its last.

From the top down, each level of the pyramid is what its stage sees plus the enlarged level above: fine maps that know
what coarse ones found. Behind it stands the head of zoo/networks/multi_scale_attention.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.multi_scale_attention import MultiScaleAttention
from zoo.networks.vgg_fer import STAGES, vgg_trunk
from zoo.recipes import ADAMW
from zoo.registry import register

WIDTH = 64  # of each level


class PyramidTrunk(nn.Module):
    """vgg_fer's trunk with a pyramid on its stages: [B,C,S,S] to [B,3 WIDTH,S/8,S/8], all at the size of the top."""

    def __init__(self, in_chans: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_stages(vgg_trunk(STAGES, in_chans)))
        self.beside = nn.ModuleList(nn.Conv2d(widths[-1], WIDTH, 1) for widths in STAGES)
        self.smooth = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in STAGES)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for stage, beside in zip(self.stages, self.beside, strict=True):
            x = stage(x)
            maps.append(beside(x))
        levels = [level := maps[-1]]
        for finer in reversed(maps[:-1]):
            level = finer + F.interpolate(level, size=finer.shape[-2:], mode="nearest")
            levels.insert(0, level)
        smoothed = (smooth(level) for smooth, level in zip(self.smooth, levels, strict=True))
        return torch.cat([F.adaptive_avg_pool2d(level, (x.shape[2], x.shape[3])) for level in smoothed], dim=1)


def _stages(trunk: nn.Sequential) -> Iterator[nn.Sequential]:
    """Yield the trunk in parts, each of which but the first begins by halving the map."""
    starts = [0, *(place for place, layer in enumerate(trunk) if isinstance(layer, nn.MaxPool2d))]
    for start, end in zip(starts, chain(starts[1:], [len(trunk)]), strict=True):
        yield trunk[start:end]


@register(recipe=replace(ADAMW, learning_rate=5e-4, epochs=24), image_size=48, reference="arXiv:1612.03144")
def multi_scale_attention_pyramid(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """The multi-scale attention network on a feature pyramid of vgg_fer's three stages"""
    if image_size < 8:
        raise ValueError(f"multi_scale_attention_pyramid needs images of 8 pixels or more a side, not {image_size}")
    return MultiScaleAttention(PyramidTrunk(in_chans), len(STAGES) * WIDTH, num_classes)

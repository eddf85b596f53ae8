"""EmoNeXt of El Boudouri and Bohi (arXiv:2501.08199): ConvNeXt behind a spatial transformer, with channel gates.

Its attention term differs from the published code. There each image of a batch attends to the others, so the term
depends on the rest of the batch. Here the positions of one image's last feature map attend to each other, and the term
of a batch is the mean over its images. As in the code, attention has no part in the logits. Its value projection, which
no gradient could reach, is left out: for a last stage of C channels, that is C^2 + C parameters fewer than published.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from timm.models.convnext import ConvNeXt
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.layers import SqueezeExcite
from zoo.outputs import Outputs
from zoo.recipes import ADAMW, Augment, Loss, Recipe
from zoo.registry import register

SMALLEST = 64  # the last map of stride 32 then has 2x2 positions; attention of one position to itself says nothing

HOUSE = replace(ADAMW, epochs=12, learning_rate=1e-3, start_size=1.0)

PAPER = Recipe(
    epochs=300,
    batch_size=64,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.01,
    schedule="warm_restarts",
    warmup=128 / (300 * 448),
    cycles=131,
    stop_after=12,
    clip_norm=1.0,
    ema_decay=0.99 ** (1 / 16),
    normalise="unit",
    crop_ratio=224 / 236,
    tta="ten_crop",
    augment=Augment(vertical_flip=0.5, rotation=20.0, shift=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.2, regulariser=1.0),
)


class SpatialTransformer(nn.Module):
    """Moves, turns and zooms each image by a map it predicts (arXiv:1506.02025): float [B,C,S,S] to the same shape.

    The prediction is added to the identity map and starts at zero: an untrained one returns its input, and bfloat16
    rounds only the small correction, not the whole map.
    """

    def __init__(self, in_chans: int, image_size: int) -> None:
        super().__init__()
        side = ((image_size - 6) // 2 - 4) // 2
        self.localise = nn.Sequential(
            *_localisation(in_chans, 8, kernel=7), *_localisation(8, 10, kernel=5), nn.Flatten(),
            nn.Linear(10 * side**2, 32), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.correction = nn.Linear(32, 6)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, x: Tensor) -> Tensor:
        correction = self.correction(self.localise(x)).to(x.dtype).unflatten(1, (2, 3))
        maps = torch.eye(2, 3, dtype=x.dtype, device=x.device) + correction
        ticks = torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype, device=x.device)
        down, across = torch.meshgrid(ticks, ticks, indexing="ij")
        places = torch.stack((across, down, torch.ones_like(down)), dim=-1)  # [S,S,3]
        # No affine_grid: that is a matrix product, which autocast would round to bfloat16, by whole pixels
        grid = (places[None, :, :, None] * maps[:, None, None]).sum(dim=-1)
        return F.grid_sample(x, grid, align_corners=True)


def _localisation(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), nn.BatchNorm2d(outputs), nn.MaxPool2d(2), nn.ReLU(inplace=True)]


class PositionAttention(nn.Module):
    """How much each of the P positions of a map attends to each: float [B,C,H,W] to [B,P,P], rows summing to one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.scale = channels**-0.25  # the published code's, where attention usually has the square root

    def forward(self, features: Tensor) -> Tensor:
        positions = self.norm(features.flatten(2).transpose(1, 2))
        scores = self.query(positions) @ self.key(positions).transpose(1, 2)
        return (scores.float() * self.scale).softmax(dim=2)


class EmoNeXt(nn.Module):
    """ConvNeXt with a spatial transformer before it and a gate after each of its three downsamplings.

    `width` is that of the first stage, each further stage doubles it; `depth` the number of blocks in the third stage.
    Float [B,in_chans,S,S] to logits [B,K]; in training, Outputs whose one part is the attention [B,P,P].
    """

    def __init__(self, width: int, depth: int, num_classes: int, in_chans: int, image_size: int) -> None:
        super().__init__()
        if image_size < SMALLEST:
            raise ValueError(f"EmoNeXt cannot take {image_size=}: its last map has stride 32, use {SMALLEST} or more")
        self.align = SpatialTransformer(in_chans, image_size)
        dims = (width, 2 * width, 4 * width, 8 * width)
        self.trunk = ConvNeXt(in_chans, num_classes, depths=(3, 3, depth, 3), dims=dims, drop_path_rate=0.1)
        for stage, channels in zip(self.trunk.stages[1:], dims[1:], strict=True):
            gated = nn.Sequential(stage.get_submodule("downsample"), SqueezeExcite(channels, bias=False))
            stage.add_module("downsample", gated)
        self.attention = PositionAttention(dims[-1])

    @property
    def classifier(self) -> nn.Module:
        """The dense layer that makes the logits; the attention's, which come after it, serve its regulariser."""
        return self.trunk.get_classifier()

    def forward(self, x: Tensor) -> Tensor | Outputs:
        features = self.trunk.forward_features(self.align(x))
        logits = self.trunk.forward_head(features)
        return Outputs(logits, parts=(self.attention(features),)) if self.training else logits

    def regulariser(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return the variance of each image's attention weights, averaged over the batch: 0 where attention is even."""
        (attention,) = outputs.parts
        return attention.var(dim=(1, 2), correction=0).mean()


emonext = register(recipe=HOUSE, image_size=64, reference="arXiv:2501.08199", paper=PAPER, paper_size=224)


@emonext
def emonext_tiny(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """EmoNeXt-T: ConvNeXt-T with a spatial transformer, channel gates and an attention regulariser

    29,973,739 parameters at 7 classes, three channels and 224 pixels (published: 30.56 M with the value projection).
    Published: 73.34 % on PrivateTest, by ten crops, from ImageNet-22k weights; others saw 71.4 and 71.6 %.

    The recipe follows the code, where the documentation gives a learning rate of 1e-4: peaks of 1e-3, in cycles of
    1,024 steps of 64 images of FER2013. The moving average, 0.99 every 16 steps there, is given as the decay of one
    step.
    """
    return EmoNeXt(96, 9, num_classes, in_chans, image_size)


@emonext
def emonext_small(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """EmoNeXt-S: ConvNeXt-S with a spatial transformer, channel gates and an attention regulariser

    51,608,299 parameters at 7 classes, three channels and 224 pixels (published: 52.20 M with the value projection).
    Published: 74.33 % on PrivateTest, as EmoNeXt-T.
    """
    return EmoNeXt(96, 27, num_classes, in_chans, image_size)


@emonext
def emonext_base(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """EmoNeXt-B: ConvNeXt-B with a spatial transformer, channel gates and an attention regulariser

    90,715,659 parameters at 7 classes, three channels and 224 pixels (published: 91.77 M with the value projection).
    Published: 74.91 % on PrivateTest, as EmoNeXt-T.
    """
    return EmoNeXt(128, 27, num_classes, in_chans, image_size)


@emonext
def emonext_large(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """EmoNeXt-L: ConvNeXt-L with a spatial transformer, channel gates and an attention regulariser

    202,221,643 parameters at 7 classes, three channels and 224 pixels (published: 204.58 M with the value projection).
    Published: 75.57 % on PrivateTest, as EmoNeXt-T.
    """
    return EmoNeXt(192, 27, num_classes, in_chans, image_size)


@emonext
def emonext_xlarge(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """EmoNeXt-XL: ConvNeXt-XL with a spatial transformer, channel gates and an attention regulariser

    358,115,979 parameters at 7 classes, three channels and 224 pixels (published: 362.31 M with the value projection).
    Published: 76.12 % on PrivateTest, as EmoNeXt-T.
    """
    return EmoNeXt(256, 27, num_classes, in_chans, image_size)

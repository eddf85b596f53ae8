"""DAN, "distract your attention" (arXiv:2109.07270): a ResNet-18, attention heads on its last map, their fusion.

Two loss terms belong to it: an affinity loss draws the features of a class to its centre, and a partition loss keeps
the heads from attending to the same place.
"""

from __future__ import annotations

from dataclasses import replace

import timm
import torch
from torch import Tensor, nn

from zoo.networks.layers import conv_bn
from zoo.networks.regularisers import affinity, partition
from zoo.outputs import Outputs
from zoo.recipes import PLAIN, Augment, Loss, Recipe
from zoo.registry import register

WIDTH = 512  # channels of the last map of ResNet-18
SMALLEST_SIDE, POOLED_FROM = 32, 112  # pixels; see `dan`

OF_PAPER = Recipe(
    epochs=40,
    batch_size=256,
    learning_rate=0.1,
    weight_decay=1e-4,
    schedule="step",
    warmup=0.0,
    step_epochs=10,
    clip_norm=0.0,
    average="none",
    normalise="imagenet",
    bf16_on_cpu=False,
    tta="none",
    augment=Augment(shift=1 / 7, rotation=20.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.5),
    loss=Loss(label_smoothing=0.0),
)
"""The paper's recipe for RAF-DB, with its high learning rate. That for AffectNet fine-tunes at 1e-4 a trunk trained on
MS-Celeb-1M."""


class SpatialGate(nn.Module):
    """One weight for each position, [B,C,H,W] to [B,1,H,W], from a square, a wide and a tall convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.enter = nn.Sequential(*conv_bn(channels, hidden, kernel=1))
        self.square = nn.Sequential(*conv_bn(hidden, channels))
        self.wide = nn.Sequential(
            nn.Conv2d(hidden, channels, (1, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(channels)
        )
        self.tall = nn.Sequential(
            nn.Conv2d(hidden, channels, (3, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        entered = self.enter(x)
        strength = (self.square(entered) + self.wide(entered) + self.tall(entered)).relu()
        return strength.sum(dim=1, keepdim=True, dtype=torch.float32)  # hundreds, which bf16 would round


class CrossAttentionHead(nn.Module):
    """Spatial attention, then channel attention: a map [B,C,H,W] to a vector [B,C] in float32."""

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.where = SpatialGate(channels)
        self.what = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels),
            nn.Sigmoid(),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            elif isinstance(layer, nn.Linear):  # the channel gate starts as one half everywhere
                nn.init.normal_(layer.weight, std=1e-3)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        attended = (x * self.where(x)).mean(dim=(2, 3))
        return attended * self.what(attended)


class DistractYourAttention(nn.Module):
    """Images [B,in_chans,H,W] to logits [B,K]; in training Outputs, its parts features [B,512] and heads [B,heads,512].

    The heads are fused by a log-softmax across them, so that each channel's attention is shared out, and a sum.
    """

    def __init__(self, num_classes: int, in_chans: int, heads: int, max_pool: bool) -> None:
        super().__init__()
        self.trunk = timm.create_model("resnet18", in_chans=in_chans, num_classes=0, global_pool="")
        if not max_pool:
            self.trunk.maxpool = nn.Identity()
        self.heads = nn.ModuleList(CrossAttentionHead(WIDTH) for _ in range(heads))
        self.classify = nn.Sequential(nn.Linear(WIDTH, num_classes, bias=False), nn.BatchNorm1d(num_classes))
        self.centres = nn.Parameter(torch.randn(num_classes, WIDTH))

    def forward(self, x: Tensor) -> Tensor | Outputs:
        features = self.trunk(x)
        heads = torch.stack([head(features) for head in self.heads], dim=1).log_softmax(dim=1)
        logits = self.classify(heads.sum(dim=1))
        return Outputs(logits, parts=(features.mean(dim=(2, 3)), heads)) if self.training else logits

    def regulariser(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return the affinity of features to their classes' centres plus the partition of heads; targets are [B,K]."""
        features, heads = outputs.parts
        return affinity(features, self.centres, targets) + partition(heads)


@register(
    recipe=replace(PLAIN, epochs=12, learning_rate=0.05),
    image_size=48,
    reference="arXiv:2109.07270",
    paper=OF_PAPER,
    paper_size=224,
)
def dan(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """ResNet-18 with four cross-attention heads, distracted from one another by two loss terms

    Published: 19.72 M parameters; RAF-DB 89.70, AffectNet-7 65.69, AffectNet-8 62.09 %, nothing on FER2013. Counted at
    7 classes and 3 channels: 19,720,142. The published count lacks the 3,584 of the class centres, which its code keeps
    in the loss, and has 7,175 biases in front of batch norms, which cancel them; they are left out here. With one
    channel: 19,713,870. The published trunk starts from MS-Celeb-1M weights, this one from scratch; the code makes 8
    centres for the 7 classes of RAF-DB, here there are as many as classes. Images of fewer than 112 pixels skip the
    stem's max pooling: at 48 pixels that leaves a map of 3x3 to attend to instead of 2x2.
    """
    if image_size < SMALLEST_SIDE:
        raise ValueError(f"dan needs images of {SMALLEST_SIDE} pixels or more a side, not {image_size}")
    return DistractYourAttention(num_classes, in_chans, heads=4, max_pool=image_size >= POOLED_FROM)

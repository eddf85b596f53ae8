"""PAtt-Lite (arXiv:2306.09626): a cut MobileNetV1, patch extraction, and attention.

The published network attends over the batch: each image becomes one pooled vector, and the layer after it reads the
batch as a sequence. So each test image sees the others of its batch, and the published test batches hold nearly one
class each. Here the four patches of one image attend to each other before they are pooled, with the same parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.mobilenetv1 import VGGFACE2, depthwise, load_face_layers, mobilenet_layers
from zoo.recipes import DEPTHWISE, Augment, Loss, Recipe, Transfer
from zoo.registry import register

WHOLE_BLOCKS = 8
GRID = 14  # side of the last map at the published 224 pixels, which the patch block is made for
PATCH_CHANNELS = 256

PAPER = Recipe(
    epochs=500,
    batch_size=8,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=0.0,
    schedule="exponential",
    warmup=0.0,
    decay=0.996,
    stop_after=20,
    clip_norm=3.0,
    average="none",
    normalise="signed",
    tta="none",
    augment=Augment(flip=True, shift=0.0, rotation=0.0, scale=0.0, contrast=0.3, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0, class_weights="balanced"),
    transfer=Transfer(head_epochs=20, backbone=0.01, freeze_norm=True),
)
"""For a backbone that starts from ImageNet weights: in a random one, frozen batch norm has no statistics to keep.

The paper's code does more than a recipe can say. Its head phase lasts up to 100 epochs and ends 5 epochs after the last
gain. Its second phase trains head and backbone alike at 1e-5 / (1 + epoch / 80), which a factor of 0.996 for each epoch
follows over 500 epochs; it has no class weights, and stops by training accuracy.
"""


def cut_mobilenet(in_chans: int) -> nn.Sequential:
    """Return MobileNetV1 (arXiv:1704.04861) up to block 9's depthwise convolution: [B,C,S,S] to [B,512,S/16,S/16]."""
    return nn.Sequential(*mobilenet_layers(in_chans, WHOLE_BLOCKS), *depthwise(512, stride=1))


def _separable(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
    """Return a separable convolution that makes one pixel of each patch of `kernel` pixels a side."""
    depthwise = nn.Conv2d(inputs, inputs, kernel, kernel, padding, groups=inputs, bias=False)
    return [depthwise, nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True)]


class PatchAttention(nn.Module):
    """Dot-product attention with queries, keys and values alike and one learned scale: [B,T,C] to [B,T,C].

    The scale starts at C^-1/2 (arXiv:1706.03762). The published one starts at 1, on 32 channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(channels**-0.5))

    def weights(self, tokens: Tensor) -> Tensor:
        """Return how much each token (row) takes of each other of its image: [B,T,C] to [B,T,T], rows sum to one."""
        return (self.scale * tokens @ tokens.mT).softmax(dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.weights(tokens) @ tokens


class PattLite(nn.Module):
    """Images [B,C,S,S] to logits [B,K]; any S from 32 pixels, since the backbone's map is resized to 14x14."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.backbone = cut_mobilenet(in_chans)
        self.patches = nn.Sequential(
            *_separable(512, PATCH_CHANNELS, kernel=4, padding=1),
            *_separable(PATCH_CHANNELS, PATCH_CHANNELS, kernel=2, padding=0),
            *[nn.Conv2d(PATCH_CHANNELS, PATCH_CHANNELS, 1), nn.ReLU(inplace=True), nn.Dropout2d(0.2)],
        )
        self.attention = PatchAttention(PATCH_CHANNELS)
        dense = [nn.Linear(PATCH_CHANNELS, 32), nn.ReLU(inplace=True), nn.BatchNorm1d(32, eps=1e-3)]
        self.head = nn.Sequential(nn.Dropout(0.2), *dense, nn.Dropout(0.2), nn.Linear(32, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(self.tokens(x)).mean(dim=1))

    def get_classifier(self) -> tuple[nn.Module, ...]:
        """Return all that has no trained weights to start from, and learns first; the name is timm's."""
        return self.patches, self.attention, self.head

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take over the layers of the face network that zoo/networks/mobilenetv1.py names; all others stay."""
        load_face_layers(self.backbone, tensors)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the four patches of each image, left to right and top to bottom: [B,C,S,S] to [B,4,256]."""
        features = self.backbone(x)
        if features.shape[-1] != GRID:
            features = F.interpolate(features, size=(GRID, GRID), mode="bilinear", align_corners=False)
        return self.patches(features).flatten(2).mT


@register(
    recipe=replace(DEPTHWISE, epochs=8),
    image_size=96,
    reference="arXiv:2306.09626",
    paper=PAPER,
    paper_size=224,
    pretrained=VGGFACE2,
)
def patt_lite(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """MobileNetV1 cut in block 9, a block of 2x2 patches, and attention among the patches of one image

    1,093,000 trainable parameters at 7 classes and three channels, as the published layers count; with the statistics
    of batch norm 1,102,664, the paper's 1.10 M. The published 92.50 % on FER2013 says nothing about the network: it
    rests on attention across test batches sorted by class, as the authors' repository admits.

    The paper enlarges 120 pixels to 224 inside the network, which costs 337 M multiply-adds. Here the image comes in
    at any size and the last map, 6x6 at 96 pixels, is enlarged to the 14x14 of 224: the patch block stays as published,
    and the backbone works at the size of the image. Dropout is that of the second phase of the paper.
    """
    if image_size < 32:
        raise ValueError(
            f"patt_lite needs images of at least 32 pixels a side, not {image_size}: "
            "below that its last map has one pixel, of which no patches can be made"
        )
    return PattLite(num_classes, in_chans)

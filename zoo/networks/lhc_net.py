"""LHC-Net of Pecoraro, Basile, Bono and Gallo (arXiv:2111.07224): attention among the channels of horizontal strips."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.layers import PointwiseDown, conv_bn
from zoo.recipes import PLAIN, Augment, Loss, Recipe
from zoo.registry import register

WIDTHS = (64, 128, 256, 512)
DEPTHS = (3, 4, 6, 3)
HEADS = (8, 8, 7, 7, 1)  # after the stem and after each stage, for maps of 56, 56, 28, 14 and 7 pixels a side

PAPER = Recipe(
    epochs=300,
    batch_size=48,
    optimizer="adam",
    learning_rate=1e-4,
    weight_decay=0.0,
    schedule="constant",
    warmup=0.0,
    stop_after=30,
    clip_norm=0.0,
    average="none",
    normalise="unit",
    tta="shift",
    augment=Augment(flip=True, shift=0.0, rotation=30.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
)
"""The first of the paper's stages, which trains the residual network from ImageNet weights.

Its weights are trained further in two stages (SGD 0.01, batches of 64, rotation 10 and shift and zoom 0.1, then no
augmentation) and, with attention added, in a last one (SGD 0.01, no augmentation). The paper's pixels are 0 to 255; the
batch norm before the first convolution makes that the same. Its test-time views are all shifts by 10 of 224 pixels,
with rotations by 23 degrees and mirrored, and six zoomed ones; the image itself counts three times.
"""


class LocalHeadChannelAttention(nn.Module):
    """x plus an attention whose tokens are the channels of one strip of the map: [B,C,S,S] to [B,C,S,S].

    Each head has `side / heads` whole rows of the map. Its linear layer takes the pixels of these rows to half as many
    numbers, rounded up, for queries (of the 3x3 average) and keys (of the 3x3 maximum) alike. Scores are divided by
    that number to the power of 1 + p, where p in (0,1) follows from the scores, for each channel.
    """

    def __init__(self, channels: int, side: int, heads: int) -> None:
        super().__init__()
        pixels = side * side // heads
        self.heads, self.embedding = heads, (pixels + 1) // 2
        self.project = nn.Conv1d(side * side, heads * self.embedding, 1, groups=heads)  # a linear map for each head
        self.power = nn.Sequential(nn.Linear(channels, channels), nn.Sigmoid())
        self.value = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        attended = self._strips(_mean3(self.value(x))) @ self.weights(x).mT  # [B,heads,pixels,C]
        return x + attended.flatten(1, 2).mT.reshape(x.shape)

    def weights(self, x: Tensor) -> Tensor:
        """Return how much each channel (row) takes of each other, in each strip: [B,C,S,S] to [B,heads,C,C]."""
        query = self._embed(_mean3(x))
        key = self._embed(F.max_pool2d(x, 3, 1, padding=1))
        scores = query.mT @ key
        power = 1 + self.power(scores.mean(dim=-1))
        return (scores / self.embedding ** power[..., None]).softmax(dim=-1)

    def _embed(self, x: Tensor) -> Tensor:
        """Embed the strips: [B,C,S,S] to [B,heads,embedding,C]."""
        return self.project(x.flatten(2).mT).unflatten(1, (self.heads, self.embedding))

    def _strips(self, x: Tensor) -> Tensor:
        """Cut into strips of consecutive rows: [B,C,S,S] to [B,heads,pixels,C]."""
        return x.flatten(2).mT.unflatten(1, (self.heads, -1))


def _mean3(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)  # as TensorFlow averages at the edge


class PreActUnit(nn.Module):
    """BN-ReLU-conv twice plus the input (arXiv:1603.05027); the first unit of a stage has a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, first: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.residual = nn.Sequential(
            *conv_bn(inputs, outputs, stride=stride),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        )
        self.first = first
        if first:
            self.shortcut = PointwiseDown(inputs, outputs) if stride == 2 else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        entered = self.enter(x)
        return self.residual(entered) + (self.shortcut(entered) if self.first else x)


def _stage(inputs: int, outputs: int, depth: int, stride: int) -> list[nn.Module]:
    rest = [PreActUnit(outputs, outputs, 1, first=False) for _ in range(depth - 1)]
    return [PreActUnit(inputs, outputs, stride, first=True), *rest]


def _stem(in_chans: int) -> list[nn.Module]:
    pixels = nn.BatchNorm2d(in_chans, affine=False)  # the published one shifts, which the next layer can do itself
    return [pixels, *conv_bn(in_chans, WIDTHS[0], kernel=7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]


def _heads(side: int, published: int) -> int:
    """Return the most heads, up to the published number, that share the rows of a map evenly."""
    return next(heads for heads in range(published, 0, -1) if side % heads == 0)


@register(
    recipe=replace(PLAIN, epochs=10, start_size=1.0),
    image_size=48,
    reference="arXiv:2111.07224",
    paper=PAPER,
    paper_size=224,
)
def lhc_net(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Pre-activation ResNet-34 with attention among channels after the stem and each stage

    32,396,299 parameters at 7 classes, three channels and 224 pixels, counted from the authors' layers but for three
    shifts of pixels; 31,112,951 at one channel and 48 pixels. Published: 74.42 % on FER2013, from ImageNet weights and
    with 60 test-time views.

    Heads are strips of whole rows, so their numbers 8, 8, 7, 7, 1 belong to the maps of 224 pixels; at other sizes a
    block has the most heads up to that number which divide its side: 6, 6, 6, 3, 1 at 48 pixels and 8, 8, 4, 4, 1 at
    64. Embeddings are half of a strip's pixels, rounded up: 196, 196, 56, 14 and 25 at 224 as published. A network
    takes images of the size that it was built for, and its number of parameters depends on that size.
    """
    if image_size < 33:
        raise ValueError(
            f"lhc_net needs images of at least 33 pixels a side, not {image_size}: "
            "below that the map of its last stage has one pixel, and nothing to attend by"
        )
    side = -(-image_size // 4)
    layers = [*_stem(in_chans), LocalHeadChannelAttention(WIDTHS[0], side, _heads(side, HEADS[0]))]
    channels = WIDTHS[0]
    for stage, (width, depth, heads) in enumerate(zip(WIDTHS, DEPTHS, HEADS[1:], strict=True)):
        stride = 2 if stage else 1
        side = -(-side // stride)
        layers += _stage(channels, width, depth, stride)
        layers.append(LocalHeadChannelAttention(width, side, _heads(side, heads)))
        channels = width
    pool = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    dense = [nn.Linear(channels, 4096), nn.ReLU(inplace=True), nn.Dropout(0.4)]
    dense += [nn.Linear(4096, 1024), nn.ReLU(inplace=True), nn.Dropout(0.4)]
    return nn.Sequential(*layers, *pool, *dense, nn.Linear(1024, num_classes))

"""mini-Xception and big-Xception of Arriaga, Valdenegro-Toro and Ploeger (arXiv:1710.07557)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.layers import PointwiseDown
from zoo.recipes import DEPTHWISE, Augment, Loss, Recipe
from zoo.registry import register

HOUSE = replace(DEPTHWISE, epochs=6, weight_decay=0.01, loss=Loss(label_smoothing=0.0))

PAPER = Recipe(
    epochs=200,
    batch_size=32,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=0.0,
    schedule="plateau",
    warmup=0.0,
    decay=0.1,
    patience=12,
    stop_after=50,
    clip_norm=0.0,
    average="none",
    normalise="signed",
    tta="none",
    augment=Augment(flip=True, shift=0.1, rotation=10.0, scale=0.1, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
)
"""As the authors' code trains, but for its choice of epochs by the loss on 20 % of the file, test images included.

The code sets no bound below 10,000 epochs and stops by itself; its published weights are those of epoch 102.
"""


def _conv(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, bias=False), _norm(outputs), nn.ReLU(inplace=True)]


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)  # Keras' default, which the published weights carry


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return [depthwise, nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs)]


class XceptionModule(nn.Module):
    """Two separable convolutions and a pooling, beside a strided 1x1 convolution; no activation after the sum.

    With `activate_first` the branch, and not the shortcut, begins with a ReLU, as in Xception (arXiv:1610.02357).
    """

    def __init__(self, inputs: int, outputs: int, activate_first: bool = False) -> None:
        super().__init__()
        first = [nn.ReLU()] if activate_first else []  # not in place: the shortcut needs the negative values
        branch = [*_separable(inputs, outputs), nn.ReLU(inplace=True), *_separable(outputs, outputs)]
        self.branch = nn.Sequential(*first, *branch)
        self.shortcut = nn.Sequential(PointwiseDown(inputs, outputs), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return _pool_same(self.branch(x)) + self.shortcut(x)


def _pool_same(x: Tensor) -> Tensor:
    """Return 3x3 max pooling of stride 2, padded as TensorFlow does: even sides at the far edge, odd sides at both."""
    if x.shape[-1] % 2:
        return F.max_pool2d(x, 3, 2, padding=1)
    return F.max_pool2d(x, 3, 2, ceil_mode=True)  # the last window reaches over the far edge, and nothing is copied


def _classify(channels: int, num_classes: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, num_classes, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]


@register(
    recipe=HOUSE,
    image_size=64,
    reference="arXiv:1710.07557",
    # Keras' l2(0.01) adds 0.01 w^2 to the loss, half of whose gradient is what a weight decay of 0.01 adds
    paper=replace(PAPER, weight_decay=0.02),
    paper_size=64,
)
def mini_xception(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Four residual modules of separable convolutions, no dense layer

    56,951 trainable parameters at 7 classes and one channel, "about 60,000" in the paper. Published: 66 % on 20 % of
    the file, public and private test images together; the authors' weights reach 65.73 % on PrivateTest.
    """
    if image_size < 5:
        raise ValueError(f"mini_xception needs images of at least 5 pixels a side, not {image_size}")
    widths = (8, 16, 32, 64, 128)
    modules = [XceptionModule(inputs, outputs) for inputs, outputs in pairwise(widths)]
    head = _classify(128, num_classes)  # before the stem: the order in which a seed gives out initial weights
    return nn.Sequential(*_conv(in_chans, 8), *_conv(8, 8), *modules, *head)


@register(recipe=HOUSE, image_size=64, reference="arXiv:1710.07557", paper=PAPER, paper_size=64)
def big_xception(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """Two residual modules of separable convolutions, 128 and 256 wide, no dense layer

    206,375 trainable parameters at 7 classes and one channel. It is in the paper's code, without the weight decay of
    the small one, and not in the text. The authors' weights reach 66.45 % on PrivateTest, which is among the images by
    which they were chosen.
    """
    if image_size < 7:
        raise ValueError(f"big_xception needs images of at least 7 pixels a side, not {image_size}")
    modules = [XceptionModule(64, 128), XceptionModule(128, 256, activate_first=True)]
    return nn.Sequential(*_conv(in_chans, 32, stride=2), *_conv(32, 64), *modules, *_classify(256, num_classes))

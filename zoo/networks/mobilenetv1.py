"""MobileNetV1 (arXiv:1704.04861), cut at mid-depth, and its start from a network that tells faces apart.

The face network is HSE's (doi:10.7717/peerj-cs.197), trained on the identities of VGGFace2. Expressions are still seen
in the middle of it: behind its last block, trained to ignore them, a linear classifier finds 4 points less than behind
block 11 (FER2013, 1,200 training images).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
from torch import Tensor, nn

from zoo.member import Pretrained
from zoo.pretrained.folded_norms import set_affine
from zoo.pretrained.kernels import set_kernel
from zoo.recipes import DEPTHWISE, FROM_FACES
from zoo.registry import register

WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512)
"""Of the stem and of each block up to the eleventh, behind which the published network halves the map once more."""
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)  # of the blocks; the stem has another 2
FACES = "@vladmandic/human/faceres"

VGGFACE2 = Pretrained("face (VGGFace2)", FACES, FROM_FACES, 112)


def norm_act(channels: int) -> list[nn.Module]:
    """Return what follows each convolution in Keras' MobileNet."""
    return [nn.BatchNorm2d(channels, eps=1e-3), nn.ReLU6(inplace=True)]


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """Return a depthwise convolution with its norm."""
    if stride == 1:
        return [nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False), *norm_act(channels)]
    return [*_down(channels, channels, groups=channels), *norm_act(channels)]


def _down(inputs: int, outputs: int, groups: int = 1) -> list[nn.Module]:
    """Return a 3x3 convolution of stride 2, padded only at the bottom and the right, as Keras does on even sides."""
    return [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(inputs, outputs, 3, 2, groups=groups, bias=False)]


def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, bias=False), *norm_act(outputs)]


def mobilenet_layers(in_chans: int, blocks: int) -> list[nn.Module]:
    """Return MobileNetV1's layers up to a block, from 1 to 11: [B,C,S,S] to [B,WIDTHS[blocks],S/16,S/16]."""
    layers = [*_down(in_chans, WIDTHS[0]), *norm_act(WIDTHS[0])]
    for (inputs, outputs), stride in zip(pairwise(WIDTHS[: blocks + 1]), STRIDES[:blocks], strict=True):
        layers += [*depthwise(inputs, stride), *_pointwise(inputs, outputs)]
    return layers


def load_face_layers(layers: nn.Sequential, tensors: Mapping[str, np.ndarray]) -> None:
    """Put HSE's tensors, as TensorFlow.js has them, into layers of `mobilenet_layers`, for inputs in [0,1].

    There kernels are [H,W,inputs,outputs], depthwise ones [H,W,channels,1], and inputs have 255 levels. For grey images
    the kernels of the colours are summed. Depthwise norms are a scale and a shift, all others a shift alone. Raises
    ValueError where shapes differ.
    """
    convolutions = [module for module in layers if isinstance(module, nn.Conv2d)]
    norms = [module for module in layers if isinstance(module, nn.BatchNorm2d)]
    names = ["conv1", *(f"conv_{kind}_{block}" for block in range(1, len(STRIDES) + 1) for kind in ("dw", "pw"))]
    for name, convolution, norm in zip(names, convolutions, norms, strict=False):
        if "_dw_" in name:
            kernel = tensors[f"{name}/depthwise_kernel"].transpose(2, 3, 0, 1)
            scale: np.ndarray | float = tensors[f"{name}_bn/batchnorm_1/mul"]
        else:
            kernel, scale = tensors[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1), 1.0
        set_kernel(convolution, kernel, name, 255.0 if name == "conv1" else 1.0)
        set_affine(norm, scale, tensors[f"{name}_bn/batchnorm_1/sub"])


class MidMobileNet(nn.Module):
    """Eleven blocks, the mean over the map, and a dense layer: [B,C,S,S] to logits [B,K]."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*mobilenet_layers(in_chans, len(STRIDES)))
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(WIDTHS[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.layers(x).mean(dim=(2, 3))))

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take over the face network's layers; the classifier stays as it is."""
        load_face_layers(self.layers, tensors)


@register(
    recipe=replace(DEPTHWISE, normalise="unit"), image_size=112, reference="arXiv:1704.04861", pretrained=VGGFACE2
)
def mobilenetv1_mid(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """MobileNetV1 up to block 11, overall stride 16, on images enlarged to 112 pixels"""
    return MidMobileNet(num_classes, in_chans)

"""Make a network faster on the CPU: fold batch norms into convolutions, keep weights in oneDNN's own order, and
convolve large maps tile by tile.

PyTorch reorders a convolution's weights for oneDNN at every call, which for one image takes longer than the
convolution itself; a batch norm behind it reads and writes all outputs once more; tiles (zoo/winograd.py) need fewer
multiplications. Measured beside the network as it is, ONNX Runtime and OpenVINO in results/speed.md. What remains at
batch 1 is Python's time for each layer, and in resnet18 oneDNN's channels-last convolutions of maps of 2 to 6 pixels a
side; its blocked order is faster there, but few operators take it. Activations that the convolutions apply themselves
were tried, with AVX2 and with AVX-512: 0.8 to 1.07 times as fast, so they stay layers; and TorchScript, frozen and
optimised, which takes Python's time away: 0.5 to 0.9 times as fast, at batch 1 as well.

Tiles were 1.2 to 1.7 times as fast on the processors that they were written on; on Zen 5, whose AVX-512 is twice as
wide as that of Zen 4, they are 0.81 to 0.95 times. Which is faster is not measured at each start: the two differ in the
last digits, and stored predictions would depend on the moment.

bfloat16 is 3.2 times as fast where a processor has AMX (vgg_fer at batch 64, one core), and not used: the logits of a
network trained on FER+ moved by up to 0.043, and 4 of 3,199 images got another class. Stored predictions would depend
on the machine. Pictures are answered by ONNX Runtime (zoo/use), whose files may be in int8.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zoo.outputs import Outputs, logits_of
from zoo.winograd import convolved, fits, saved, tiles, transformed_kernels

AGREE = 1e-4  # of the largest logit: how much another order of float32 sums may change
FEWEST, SAVED, TILES = 64, 3.5, 128
"""Channels on either side, times as many multiplications in the usual way, and tiles, from which on these are faster.

They are on one thread; several may wait for each other between the many small steps longer than they save.
"""


@torch.no_grad()
def folded(network: nn.Module, size: tuple[int, int, int]) -> nn.Module:
    """Return a faster copy, in eval mode, for float32 images [B,C,H,W] on the CPU; it shares no parameter.

    `size` is [C,H,W]. A pass of two made-up images shows which batch norm follows which convolution. Where the copy
    gives other results for them (the output of a convolution may be used elsewhere, too), no norm is folded; where
    they still differ, the copy is left as the network is.
    """
    plain = deepcopy(network).eval()
    images = torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    expected = _answers(plain(images))
    if not expected.isfinite().all():  # nothing to compare with
        return plain
    for norms in (True, False):
        faster = _faster(deepcopy(plain), images, norms)
        if torch.allclose(_answers(faster(images)), expected, rtol=0, atol=AGREE * expected.abs().max().item()):
            return faster
    return plain


def _faster(network: nn.Module, images: Tensor, norms: bool) -> nn.Module:
    """Change the network in place and return it; norms are folded only with `norms`."""
    seen = _Pass(network, images)
    for convolution, norm in seen.pairs() if norms else ():
        _fold(convolution, norm)
    if torch.backends.mkldnn.is_available():
        for convolution in filter(_can_be_prepacked, seen.convolutions):
            convolution.forward = _Prepacked(convolution).forward  # type: ignore[assignment, method-assign]
    return network


class _Pass:
    """Watch one pass: which convolutions are called, and which batch norms take their outputs."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        self._made: dict[int, tuple[nn.Conv2d, Tensor, int]] = {}
        self._calls: Counter[nn.Module] = Counter()
        self._pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
        hooks: list[Any] = []
        for module in network.modules():
            if type(module) is nn.Conv2d:
                hooks.append(module.register_forward_hook(self._leaves))
            elif isinstance(module, nn.BatchNorm2d) and module.track_running_stats:
                hooks.append(module.register_forward_pre_hook(self._enters))
        network(images)
        for hook in hooks:
            hook.remove()
        self._made.clear()

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        return [module for module in self._calls if isinstance(module, nn.Conv2d)]

    def pairs(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Return convolutions with the norm that follows, where each is called once."""
        return [pair for pair in self._pairs if all(self._calls[module] == 1 for module in pair)]

    def _leaves(self, convolution: nn.Conv2d, given: tuple[Tensor, ...], output: Tensor) -> None:
        self._calls[convolution] += 1
        self._made[id(output)] = convolution, output, output._version  # held, so that no other tensor gets its id

    def _enters(self, norm: nn.BatchNorm2d, given: tuple[Tensor, ...]) -> None:
        self._calls[norm] += 1
        convolution, _, version = self._made.get(id(given[0]), (None, None, 0))
        if convolution is not None and given[0]._version == version:  # no activation worked in place between them
            self._pairs.append((convolution, norm))


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Move the norm's scale and shift into the convolution; timm's BatchNormAct2d keeps its activation."""
    fused = fuse_conv_bn_eval(convolution, norm)
    convolution.weight, convolution.bias = fused.weight, fused.bias
    rest = [part for name, part in norm.named_children() if name in ("drop", "act")]
    norm.forward = nn.Sequential(*rest).forward  # type: ignore[method-assign]


class _Prepacked:
    """A convolution with its weights in oneDNN's own order, as Inductor freezes networks.

    There is one order for single images and one for batches, each made when the first such input comes. A single image
    with weights in the order of batches can run oneDNN's slowest code, 200 times as slow where two threads work on 1x1
    kernels. Without a shape, oneDNN guesses an order that it may have to change at every call.

    Maps that are large enough are convolved tile by tile (zoo/winograd.py).
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        self._given = convolution.weight
        self._bias = convolution.bias
        self._how = convolution.padding, convolution.stride, convolution.dilation, convolution.groups
        self._by_tiles = fits(convolution) and min(convolution.in_channels, convolution.out_channels) >= FEWEST
        self._weights: dict[bool, Tensor] = {}  # by whether the image is alone
        self._kernels: Tensor | None = None  # of tiles

    def forward(self, images: Tensor) -> Tensor:
        alone = len(images) == 1
        if self._by_tiles and _tiles_pay(images):
            if self._kernels is None:
                self._kernels = transformed_kernels(self._given)
            return convolved(images, self._kernels, self._bias)
        if alone not in self._weights:
            order = torch.ops.mkldnn._reorder_convolution_weight
            self._weights[alone] = order(self._given, *self._how, list(images.shape))
        return torch.ops.mkldnn._convolution_pointwise(
            images, self._weights[alone], self._bias, *self._how, "none", [], ""
        )


def _tiles_pay(images: Tensor) -> bool:
    high, wide = images.shape[2:]
    count = len(images) * tiles(high) * tiles(wide)
    return saved(high, wide) >= SAVED and count >= TILES and torch.get_num_threads() == 1


def _can_be_prepacked(convolution: nn.Conv2d) -> bool:
    return convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)


def _answers(result: Tensor | Outputs) -> Tensor:
    affect = result.affect if isinstance(result, Outputs) else None
    return logits_of(result) if affect is None else torch.cat([logits_of(result), affect], dim=1)

"""Make a network faster on the CPU: fold batch norms into convolutions, compute with them what stands beside them, keep
weights in oneDNN's own order, and convolve large maps tile by tile (zoo/inference/prepacked.py).

PyTorch reorders a convolution's weights for oneDNN at every call, which for one image takes longer than the
convolution itself; a batch norm behind it reads and writes all outputs once more; tiles (zoo/winograd.py) need fewer
multiplications. Measured beside the network as it is, ONNX Runtime and OpenVINO in results/speed.md. What remains at
batch 1 is Python's time for each layer, and in resnet18 oneDNN's channels-last convolutions of maps of 2 to 6 pixels a
side; its blocked order is faster there, but few operators take it. TorchScript, frozen and optimised, takes Python's
time away: 0.5 to 0.9 times as fast, at batch 1 as well.

Tiles were 1.2 to 1.7 times as fast on the processors that they were written on; on Zen 5, whose AVX-512 is twice as
wide as that of Zen 4, they are 0.81 to 0.95 times. Which is faster is not measured at each start: the two differ in the
last digits, and stored predictions would depend on the moment.

bfloat16 is 3.2 times as fast where a processor has AMX (vgg_fer at batch 64, one core), and not used: the logits of a
network trained on FER+ moved by up to 0.043, and 4 of 3,199 images got another class. Stored predictions would depend
on the machine. Pictures are answered by ONNX Runtime (zoo/use), whose files may be in int8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zoo.inference.prepacked import Prepacked, can_be_prepacked, is_convolution
from zoo.inference.same_padding import is_same
from zoo.outputs import Outputs, logits_of

Kind = Callable[[nn.Module], bool]

AGREE = 1e-4  # of the largest logit: how much another order of float32 sums may change


@torch.no_grad()
def folded(network: nn.Module, size: tuple[int, int, int]) -> nn.Module:
    """Return a faster copy, in eval mode, for float32 images [B,C,H,W] on the CPU; it shares no parameter.

    `size` is [C,H,W]. Passes of two made-up images show which layers follow each other. Where the copy gives other
    results for them (the output of a convolution may be used elsewhere, too), the layers beside convolutions stay, and
    then the norms; where they still differ, the copy is left as the network is.
    """
    plain = deepcopy(network).eval()
    images = torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    expected = _answers(plain(images))
    if not expected.isfinite().all():  # nothing to compare with
        return plain
    for norms, layers in ((True, True), (True, False), (False, False)):
        faster = _faster(deepcopy(plain), images, norms, layers)
        if torch.allclose(_answers(faster(images)), expected, rtol=0, atol=AGREE * expected.abs().max().item()):
            return faster
    return plain


def _faster(network: nn.Module, images: Tensor, norms: bool, layers: bool) -> nn.Module:
    """Change the network in place and return it; norms are folded, and layers passed over, only where that is asked."""
    seen = _Pass(network, images)
    if norms:
        for convolution, norm in seen.pairs(is_convolution, _is_norm):
            _fold(convolution, norm)
    if torch.backends.mkldnn.is_available():
        packed = {one: Prepacked(one) for one in seen.convolutions() if can_be_prepacked(one)}
        for convolution, prepacked in packed.items():
            convolution.forward = prepacked.forward  # type: ignore[assignment, method-assign]
        if layers:
            _pass_over(_Pass(network, images), packed)
    return network


def _pass_over(seen: _Pass, packed: Mapping[nn.Conv2d, Prepacked]) -> None:
    """Let convolutions do what layers before and after them did."""
    for convolution, activation in seen.pairs(is_convolution, _is_relu6):
        if convolution in packed:
            packed[convolution].then_relu6, activation.forward = True, _unchanged
    for layer, convolution in seen.pairs(_puts_zeros, is_convolution):
        if convolution in packed and not is_same(convolution):
            packed[convolution].put_around(layer.padding)
            layer.forward = _unchanged


class _Pass:
    """Watch one pass: which layers are called, and which take the outputs of which."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        self._made: dict[int, tuple[nn.Module, Tensor, int]] = {}
        self._calls: Counter[nn.Module] = Counter()
        self._pairs: list[tuple[Any, Any]] = []
        kinds = is_convolution, _is_norm, _is_relu6, _puts_zeros
        watched = [module for module in network.modules() if any(kind(module) for kind in kinds)]
        hooks = [module.register_forward_pre_hook(self._enters) for module in watched]
        hooks += [module.register_forward_hook(self._leaves) for module in watched]
        network(images)
        for hook in hooks:
            hook.remove()
        self._made.clear()

    def convolutions(self) -> list[nn.Conv2d]:
        return [module for module in self._calls if is_convolution(module) and isinstance(module, nn.Conv2d)]

    def pairs(self, first: Kind, second: Kind) -> list[tuple[Any, Any]]:
        """Return layers of two kinds that follow each other, where each is called once."""
        alone = [pair for pair in self._pairs if all(self._calls[module] == 1 for module in pair)]
        return [(one, other) for one, other in alone if first(one) and second(other)]

    def _enters(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        self._calls[layer] += 1
        maker, _, version = self._made.get(id(given[0]), (None, None, 0))
        if maker is not None and given[0]._version == version:  # nothing worked in place between them
            self._pairs.append((maker, layer))

    def _leaves(self, layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if output is not given[0]:  # as a norm gives it back that is folded
            self._made[id(output)] = layer, output, output._version  # held, so that no other tensor gets its id


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.track_running_stats


def _is_relu6(module: nn.Module) -> bool:
    return type(module) is nn.ReLU6


def _puts_zeros(module: nn.Module) -> bool:
    return type(module) is nn.ZeroPad2d and min(module.padding) >= 0


def _unchanged(images: Tensor) -> Tensor:
    return images


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Move the norm's scale and shift into the convolution; timm's BatchNormAct2d keeps its activation."""
    fused = fuse_conv_bn_eval(convolution, norm)
    convolution.weight, convolution.bias = fused.weight, fused.bias
    rest = [part for name, part in norm.named_children() if name in ("drop", "act")]
    norm.forward = nn.Sequential(*rest).forward  # type: ignore[method-assign]


def _answers(result: Tensor | Outputs) -> Tensor:
    affect = result.affect if isinstance(result, Outputs) else None
    return logits_of(result) if affect is None else torch.cat([logits_of(result), affect], dim=1)

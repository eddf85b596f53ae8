"""Depthwise convolutions are the library's, however their gradients are computed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from tests.helpers.convolutions import gradients
from zoo import registry
from zoo.outputs import logits_of
from zoo.training.depthwise import DepthwiseConv2d, DepthwiseConv2dSame
from zoo.training.products import by_library, use_products

torch.set_num_threads(1)

CHANNELS = 5
ROUNDING = {torch.bfloat16: 2**-7, torch.float32: 2**-20}  # of the largest number: some units of the last place
SHAPES: list[tuple[int, Any, Any, Any]] = [  # side of the map, kernel, stride, padding
    (9, 3, 1, 1),
    (9, 3, 2, 1),
    (8, 3, 2, 1),
    (8, 3, 2, 0),
    (9, 5, 1, 2),
    (9, 5, 2, 2),
    (8, 5, 3, 1),
    (8, 7, 1, 3),
    (8, 7, 2, 3),
    (9, 4, 4, 0),
    (9, 2, 2, 0),
    (9, 2, 5, 1),
    (3, 3, 2, 1),
    (2, 3, 1, 1),
    (1, 3, 1, 1),
    (1, 5, 1, 2),
    (2, 5, 2, 2),
    (6, 7, 1, 3),
    (6, 5, 2, 2),
    (4, (5, 2), (2, 1), (3, 1)),
    (9, (5, 1), (1, 2), (2, 0)),
    (9, (1, 7), (2, 1), (0, 3)),
]


def assert_like_the_library(layer: nn.Conv2d, images: Tensor, dtype: torch.dtype) -> None:
    """Outputs and gradients are as near to those in float64 as the library's, or within rounding."""
    exact = gradients(copy.deepcopy(layer).double(), images.double())
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        usual = gradients(copy.deepcopy(layer), images)
        use_products(layer)
        assert isinstance(layer, DepthwiseConv2d)
        found = gradients(layer, images)
    assert found[0].dtype == dtype and {one.dtype for one in found[1:]} == {torch.float32}
    for ours, library, theirs in zip(found, usual, exact, strict=True):
        assert ours.shape == theirs.shape
        off = (library - theirs).abs().max()
        assert (ours - theirs).abs().max() <= max(ROUNDING[dtype] * theirs.abs().max(), off)


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize(("side", "kernel", "stride", "padding"), SHAPES)
def test_outputs_and_gradients_are_those_of_the_library(
    side: int, kernel: Any, stride: Any, padding: Any, bias: bool, dtype: torch.dtype
):
    torch.manual_seed(0)
    layer = nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, padding, groups=CHANNELS, bias=bias)
    images = torch.randn(4, CHANNELS, side, side + 1).to(memory_format=torch.channels_last)
    assert_like_the_library(layer, images, dtype)


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("side", [1, 4, 5, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (3, 1), ((5, 3), (1, 2)), (2, 3)])
def test_zeros_are_put_around_images_as_tensorflow_does(side: int, kernel: Any, stride: Any, dtype: torch.dtype):
    torch.manual_seed(0)
    layer = Conv2dSame(CHANNELS, CHANNELS, kernel, stride, groups=CHANNELS)
    images = torch.randn(2, CHANNELS, side, side + 3)
    assert_like_the_library(layer, images, dtype)
    assert type(layer) is DepthwiseConv2dSame


@pytest.mark.parametrize(
    ("kernel", "stride", "side", "half", "full"),
    [
        (3, 1, 24, False, False),
        (3, 1, 3, False, False),
        (3, 1, 2, True, True),
        (3, 2, 24, True, False),
        (5, 1, 24, True, False),
        (5, 1, 7, True, True),
        ((1, 5), 1, 24, True, False),
    ],
)
def test_what_the_library_computes_fast_is_left_to_it(kernel: Any, stride: int, side: int, half: bool, full: bool):
    padding = kernel // 2 if isinstance(kernel, int) else 0
    layer: nn.Conv2d = nn.Conv2d(8, 8, kernel, stride, padding, groups=8)
    use_products(layer)
    assert isinstance(layer, DepthwiseConv2d)
    images = torch.zeros(1, 8, side, side)
    assert layer.otherwise(images) == full
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.otherwise(images) == half
        with by_library():
            assert not layer.otherwise(images)
        assert not layer.otherwise(images.double()), "which autocast leaves as it is"
    assert layer.otherwise(images.bfloat16()) == half


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 8, 3, groups=4),
        nn.Conv2d(4, 4, 3, dilation=2, groups=4),
        nn.Conv2d(4, 4, 3, padding="same", groups=4),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", groups=4),
        nn.Conv2d(4, 4, 1, padding=1, groups=4),
        nn.Conv1d(4, 4, 3, groups=4),
        nn.ConvTranspose2d(4, 4, 3, groups=4),
        type("Own", (nn.Conv2d,), {})(4, 4, 3, groups=4),
        Conv2dSame(4, 4, 3, groups=2),
    ],
    ids=repr,
)
def test_other_convolutions_stay_as_they_are(layer: nn.Module):
    before = type(layer)
    use_products(nn.Sequential(layer))
    assert type(layer) is before


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenetv4_conv_small", "convnext_atto", "patt_lite"])
def test_a_network_learns_as_it_would(name: str):
    """In bfloat16, whose rounding moves the gradients of neither way further from float32's than the other's."""
    member = registry.get(name)
    torch.manual_seed(0)
    network = member.build(7, 1).to(memory_format=torch.channels_last).eval()  # without dropout
    images = torch.randn(3, 1, member.image_size, member.image_size)

    def slopes(*, half: bool, ours: bool) -> Tensor:
        one = copy.deepcopy(network)
        if ours:
            use_products(one)
            assert any(isinstance(layer, DepthwiseConv2d) for layer in one.modules())
            assert one.state_dict().keys() == network.state_dict().keys()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits_of(one(images)).float().log_softmax(1)[:, 0].sum().backward()
        return torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None])

    exact = slopes(half=False, ours=False)
    usual, found = (slopes(half=True, ours=ours) for ours in (False, True))
    assert (found - exact).norm() <= 1.2 * (usual - exact).norm()

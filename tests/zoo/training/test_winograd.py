"""Convolutions tile by tile are the library's convolutions, and only layers that gain are computed so."""

from __future__ import annotations

import copy
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo import winograd as tiles
from zoo.training import winograd
from zoo.training.products import ProductConv2d, by_library, use_products
from zoo.training.winograd import Winograd, pays

torch.set_num_threads(1)

NEAR = 2e-5  # of the largest number: float32 through the transforms loses a digit


@pytest.fixture
def avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU is one that gains, whichever it is."""
    monkeypatch.setattr(winograd, "_has_avx2_alone", lambda: True)


def results(convolution: object, images: Tensor, weight: Tensor) -> list[Tensor]:
    """The output, and the gradients of images and weight, of a loss that weighs every output by its place."""
    images, weight = (one.detach().requires_grad_() for one in (images, weight))
    output = convolution(images, weight)  # type: ignore[operator]
    slopes = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return [output.detach(), *torch.autograd.grad(output, (images, weight), slopes)]


def exactly(images: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(images, weight, padding=1)


@pytest.mark.parametrize("cached", [1, 2**14, 2**20])  # bytes: an image a chunk, a few, all
@pytest.mark.parametrize(
    ("channels", "side"),
    [((8, 8), (4, 4)), ((5, 7), (8, 12)), ((3, 4), (5, 6)), ((4, 3), (7, 9)), ((6, 2), (1, 3)), ((2, 3), (2, 13))],
)
def test_outputs_and_gradients_are_those_of_a_convolution_in_float64(
    channels: tuple[int, int], side: tuple[int, int], cached: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tiles, "CACHED", cached)
    torch.manual_seed(0)
    images = torch.randn(7, channels[0], *side).to(memory_format=torch.channels_last)
    weight = torch.randn(channels[1], channels[0], 3, 3)
    found = results(Winograd.apply, images, weight)
    for ours, theirs in zip(found, results(exactly, images.double(), weight.double()), strict=True):
        assert ours.dtype == torch.float32 and ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= NEAR * theirs.abs().max()


@pytest.mark.parametrize("side", [(4, 4), (12, 8), (5, 7), (1, 1)])
def test_a_bias_is_added_to_each_pixel(side: tuple[int, int]):
    torch.manual_seed(0)
    images, weight, bias = torch.randn(3, 5, *side), torch.randn(7, 5, 3, 3), 10 * torch.randn(7)
    found = tiles.convolved(images, tiles.transformed_kernels(weight), bias)
    expected = F.conv2d(images.double(), weight.double(), bias.double(), padding=1)
    assert (found - expected).abs().max() <= NEAR * expected.abs().max()


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_a_gradient_that_nobody_wants_is_not_computed(wanted: tuple[bool, bool]):
    images, weight = torch.randn(2, 3, 6, 6), torch.randn(4, 3, 3, 3)
    images.requires_grad_(wanted[0]), weight.requires_grad_(wanted[1])
    cast(Tensor, Winograd.apply(images, weight)).square().sum().backward()
    assert (images.grad is not None, weight.grad is not None) == wanted
    ours = images.grad if wanted[0] else weight.grad
    double = [one.detach().double().requires_grad_() for one in (images, weight)]
    exactly(*double).square().sum().backward()
    theirs = double[0 if wanted[0] else 1].grad
    assert ours is not None and theirs is not None
    assert (ours - theirs).abs().max() <= NEAR * theirs.abs().max()


@pytest.mark.usefixtures("avx2")
@pytest.mark.parametrize(
    ("channels", "side", "expected"),
    [
        ((96, 96), 24, True),
        ((384, 384), 5, True),  # 4 tiles of 36 products for 25 pixels of 9
        ((96, 96), 1, False),
        ((96, 96), 2, False),
        ((384, 64), 24, False),
        ((1, 96), 24, False),
    ],
)
def test_a_layer_gains_by_its_channels_and_its_map(channels: tuple[int, int], side: int, expected: bool):
    assert pays(*channels, side, side) == expected


@pytest.mark.parametrize(("capability", "expected"), [("AVX2", True), ("AVX512", False), ("DEFAULT", False)])
def test_it_is_for_the_cpus_on_which_it_was_measured(capability: str, expected: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert pays(96, 96, 24, 24) == expected


@pytest.mark.usefixtures("avx2")
@pytest.mark.parametrize(
    ("layer", "dtype", "expected"),
    [
        (nn.Conv2d(96, 96, 3, padding=1), torch.float32, True),
        (nn.Conv2d(96, 96, 3, padding=1), torch.bfloat16, False),
        (nn.Conv2d(96, 96, 3), torch.float32, False),
        (nn.Conv2d(96, 96, 3, 2, 1), torch.float32, False),
        (nn.Conv2d(96, 96, 5, padding=1), torch.float32, False),
        (nn.Conv2d(96, 96, 1, padding=1), torch.float32, False),
    ],
)
def test_which_layers_are_computed_so(layer: nn.Module, dtype: torch.dtype, expected: bool):
    use_products(layer)
    assert isinstance(layer, ProductConv2d)
    images = torch.zeros(1, 96, 8, 8)
    assert layer.by_tiles(images.to(dtype)) == expected
    with by_library():
        assert not layer.by_tiles(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer.by_tiles(images)


@pytest.mark.usefixtures("avx2")
def test_a_network_learns_as_it_would(monkeypatch: pytest.MonkeyPatch):
    member = registry.get("vgg_fer_wide")
    torch.manual_seed(0)
    network = member.build(7, 1).to(memory_format=torch.channels_last).eval()  # without dropout
    ours = copy.deepcopy(network)
    use_products(ours)
    shapes: list[tuple[int, ...]] = []
    forward = Winograd.forward

    def noted(context: object, images: Tensor, weight: Tensor) -> Tensor:
        shapes.append(tuple(images.shape))
        return forward(context, images, weight)

    monkeypatch.setattr(Winograd, "forward", staticmethod(noted))
    images = torch.randn(3, 1, member.image_size, member.image_size)
    for one in (network, ours):
        one(images).log_softmax(1)[:, 0].sum().backward()
    expected = [(96, 24), (96, 24), (96, 12), (192, 12), (192, 12), (192, 6), (384, 6), (384, 6)]
    assert [shape[1:3] for shape in shapes] == expected
    for theirs, our in zip(network.parameters(), ours.parameters(), strict=True):
        assert theirs.grad is not None and our.grad is not None
        assert (our.grad - theirs.grad).abs().max() <= 1e-3 * theirs.grad.abs().max() + 1e-9


@pytest.mark.usefixtures("avx2")
def test_what_follows_may_overwrite_the_output():
    layer = nn.Conv2d(96, 96, 3, padding=1)
    exact = nn.Sequential(copy.deepcopy(layer), nn.ReLU())
    use_products(layer)
    images = torch.randn(2, 96, 8, 8)
    ours, theirs = nn.Sequential(layer, nn.ReLU(inplace=True))(images), exact(images)
    assert (ours - theirs).abs().max() <= NEAR * theirs.abs().max()
    ours.sum().backward(), theirs.sum().backward()
    for one, other in zip(layer.parameters(), exact.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert (one.grad - other.grad).abs().max() <= 1e-4 * other.grad.abs().max()

"""PReLU of the zoo: the library's numbers, forth and back, and the library itself for what it is not made for."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zoo.training.prelu import OwnPReLU
from zoo.training.products import by_library, use_products

SHAPES = [(2, 3, 5, 7), (1, 8, 1, 1), (4, 16, 6, 6), (3, 1, 4, 4)]


def both(images: torch.Tensor, slopes: torch.Tensor) -> list[list[torch.Tensor]]:
    """Outputs and gradients of the zoo's and of the library's."""
    layer = OwnPReLU(len(slopes))
    found = []
    for compute in (layer, lambda x: F.prelu(x, layer.weight.to(x.dtype))):
        layer.weight = nn.Parameter(slopes.clone())
        given = images.clone().requires_grad_()
        output = compute(given)
        output.backward(torch.sin(torch.arange(output.numel())).view(output.shape).to(output.dtype))
        assert given.grad is not None and layer.weight.grad is not None
        found.append([output.detach(), given.grad, layer.weight.grad])
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_numbers_and_gradients_are_the_librarys(shape: tuple[int, ...], dtype: torch.dtype, order: torch.memory_format):
    torch.manual_seed(0)
    images = torch.randn(shape).to(dtype).contiguous(memory_format=order)
    images[0, 0, 0, 0] = 0.0  # where the slope is that of the negative side
    own, library = both(images, torch.randn(shape[1]))
    rounding = 1e-6 if dtype == torch.float32 else 2**-7
    for ours, theirs in zip(own, library, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, atol=rounding * max(1.0, theirs.abs().max().item()), rtol=rounding)


def test_slopes_that_do_not_learn_get_no_gradient():
    layer, images = OwnPReLU(3), torch.randn(2, 3, 4, 4, requires_grad=True)
    layer.weight.requires_grad_(False)
    layer(images).sum().backward()
    assert layer.weight.grad is None and images.grad is not None
    layer.weight.requires_grad_(True)
    layer(images.detach()).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 4, 4), (0, 3, 4, 4)])
def test_other_images_are_left_to_the_library(shape: tuple[int, ...]):
    images, layer = torch.randn(shape), OwnPReLU(3)
    torch.testing.assert_close(layer(images), F.prelu(images, layer.weight))


def test_one_slope_for_all_channels_and_other_types_are_left_to_the_library():
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(OwnPReLU()(images), F.prelu(images, torch.tensor([0.25])))
    assert OwnPReLU(3).double()(images.double()).dtype == torch.float64


def test_networks_that_train_get_it_and_keep_their_names(monkeypatch: pytest.MonkeyPatch):
    called = []

    def apply(images: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        called.append(1)
        return images

    monkeypatch.setattr("zoo.training.prelu._PReLU.apply", apply)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.PReLU(4))
    names = list(network.state_dict())
    use_products(network)
    assert type(network[1]) is OwnPReLU and list(network.state_dict()) == names
    network(torch.zeros(1, 1, 5, 5))
    with by_library():
        network(torch.zeros(1, 1, 5, 5))
    assert len(called) == 1

"""The copy of a network that predicts on the CPU: batch norms folded, weights as oneDNN has them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo.inference import prepacked
from zoo.inference.fuse import folded
from zoo.inference.predict import predict, predict_tasks
from zoo.inference.tta import network_inputs
from zoo.outputs import Outputs, logits_of
from zoo.winograd import convolved

torch.set_num_threads(1)

MEMBERS = ["vgg_fer", "mini_xception", "mobilenetv3_small", "lenet", "patt_lite", "efficientnet_lite0"]
"""Plain, depthwise and all convolutions, squeeze-and-excitation with timm's norms, no norm, and zeros below and to the
right, by layers of their own and by TensorFlow's rule."""


def with_statistics(network: nn.Module) -> nn.Module:
    """In eval mode, with batch norms that are no identity."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def noise(count: int, side: int) -> Tensor:
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(2))


def changed(network: nn.Module, kind: type[nn.Module]) -> list[bool]:
    return ["forward" in vars(module) for module in network.modules() if isinstance(module, kind)]


class Used(nn.Module):
    """A convolution and a norm that stand in each other's way unless `alone`."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.convolution, self.norm, self.way = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), way

    def forward(self, images: Tensor) -> Tensor:
        output = self.convolution(images)
        if self.way == "activated in place":
            F.relu_(output)
        result = self.norm(output)
        if self.way == "used elsewhere":
            result = result + output
        if self.way == "called twice":
            result = result + self.norm(self.convolution(images.flip(3)))
        return result.amax((2, 3))


@torch.no_grad()
@pytest.mark.parametrize("name", MEMBERS)
def test_the_faster_copy_gives_the_same_logits(name: str):
    member = registry.get(name)
    network, side = with_statistics(member.build(7, 1)), member.image_size
    copy, images = folded(network, (1, side, side)), noise(6, side)
    for some in (images, images[:1], images[4:]):  # tiles, an image's own weights, and those of few images
        expected = network(some)
        torch.testing.assert_close(copy(some), expected, atol=1e-4 * expected.abs().max().item(), rtol=0)
    for kind in (nn.BatchNorm2d, nn.Conv2d, nn.ReLU6, nn.ZeroPad2d):
        assert all(changed(copy, kind)), "all of them were folded, prepacked or passed over"
    assert not any(changed(network, nn.Module)), "the network itself is left as it is"


@torch.no_grad()
@pytest.mark.parametrize(
    ("layer", "images", "threads", "expected"),
    [
        (nn.Conv2d(64, 64, 3, padding=1), (4, 24), 1, True),
        (nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU6()), (4, 24), 1, True),
        (nn.Conv2d(64, 64, 3, padding=1), (3, 24), 1, False),
        (nn.Conv2d(64, 64, 3, padding=1), (4, 24), 2, False),
        (nn.Conv2d(64, 64, 3, padding=1), (64, 7), 1, False),
        (nn.Conv2d(63, 64, 3, padding=1), (4, 24), 1, False),
        (nn.Conv2d(64, 64, 3), (4, 24), 1, False),
        (nn.Conv2d(64, 64, 3, 2, 1), (4, 24), 1, False),
        (nn.Conv2d(64, 64, 3, padding=2, dilation=2), (4, 24), 1, False),
        (nn.Conv2d(64, 64, 3, padding=1, groups=64), (4, 24), 1, False),
    ],
)
def test_large_maps_are_convolved_by_tiles_on_one_thread(
    layer: nn.Module, images: tuple[int, int], threads: int, expected: bool, monkeypatch: pytest.MonkeyPatch
):
    (count, side), (first, *_) = images, (module for module in layer.modules() if isinstance(module, nn.Conv2d))
    inputs = torch.randn(count, first.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    copy, by_tiles = folded(nn.Sequential(layer, nn.Flatten()), (first.in_channels, side, side)), list[int]()

    def noted(images: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
        by_tiles.append(len(images))
        return convolved(images, kernels, bias)

    monkeypatch.setattr(prepacked, "convolved", noted)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found, usual = copy(inputs), layer(inputs).flatten(1)
    torch.testing.assert_close(found, usual, atol=1e-4 * usual.abs().max().item(), rtol=0)
    assert bool(by_tiles) == expected


ZEROS = [nn.ZeroPad2d((0, 1, 0, 1)), nn.ZeroPad2d((1, 2, 0, 2)), nn.ZeroPad2d((2, 0, 1, 0)), nn.ZeroPad2d(1)]


@torch.no_grad()
@pytest.mark.parametrize("zeros", ZEROS, ids=str)
@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 0), (5, 2, 1), (3, 1, (0, 1))])
def test_zeros_around_images_are_put_there_by_the_convolution(
    zeros: nn.ZeroPad2d, groups: int, kernel: int, stride: int, padding: int | tuple[int, int]
):
    convolution = nn.Conv2d(8, 8, kernel, stride, padding, groups=groups)
    network = nn.Sequential(zeros, convolution, nn.Flatten())
    copy = folded(network, (8, 12, 12))
    assert changed(copy, nn.ZeroPad2d) == [True]
    for count, high, wide in ((3, 12, 12), (1, 12, 12), (2, 9, 14)):  # of the size that was seen, and of another
        images = torch.randn(count, 8, high, wide, generator=torch.Generator().manual_seed(high))
        torch.testing.assert_close(copy(images), network(images))


@torch.no_grad()
@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (2, 2, 1), (3, 1, 1), (3, 2, 2)])
def test_zeros_by_the_rule_of_tensorflow(groups: int, kernel: int, stride: int, dilation: int):
    layers = pytest.importorskip("timm.layers")
    convolution = layers.Conv2dSame(8, 8, kernel, stride, dilation=dilation, groups=groups)
    network = nn.Sequential(convolution, nn.ReLU6(), nn.Flatten())
    copy = folded(network, (8, 12, 12))
    assert changed(copy, nn.Conv2d) == changed(copy, nn.ReLU6) == [True]
    for side in (12, 13, 9):
        images = torch.randn(2, 8, side, side, generator=torch.Generator().manual_seed(side))
        torch.testing.assert_close(copy(images), network(images))


class Activated(nn.Module):
    """A ReLU6 behind a convolution, whose own output is used elsewhere unless `alone`."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.convolution, self.activation, self.way = nn.Conv2d(1, 64, 3, padding=1), nn.ReLU6(), way

    def forward(self, images: Tensor) -> Tensor:
        output = self.convolution(images)
        result = self.activation(output * 2 if self.way == "scaled between" else output)
        if self.way == "used elsewhere":
            result = result + output
        if self.way == "called twice":
            result = self.activation(result - 3)
        return result.amax((2, 3))


@torch.no_grad()
@pytest.mark.parametrize("way", ["alone", "used elsewhere", "called twice", "scaled between"])
def test_an_activation_is_passed_over_only_where_it_alone_follows_a_convolution(way: str):
    network = Activated(way)
    with torch.no_grad():
        network.convolution.weight.mul_(20)  # numbers on both sides of 6
    copy, images = folded(network, (1, 12, 12)), noise(3, 12)
    torch.testing.assert_close(copy(images), network(images))
    assert changed(copy, nn.ReLU6) == [way == "alone"] and changed(copy, nn.Conv2d) == [True]


@torch.no_grad()
def test_the_copy_of_several_tasks_gives_the_same_answers():
    member = registry.get("resnet_digits")
    member = replace(member, recipe=replace(member.recipe, affect=0.5))
    network = with_statistics(member.build(7, 1))
    copy, images = folded(network, (1, member.image_size, member.image_size)), noise(3, member.image_size)
    expected, found = network(images), copy(images)
    assert isinstance(found, Outputs) and found.affect is not None and all(changed(copy, nn.Conv2d))
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.affect, expected.affect)


@torch.no_grad()
@pytest.mark.parametrize("way", ["alone", "used elsewhere", "called twice", "activated in place"])
def test_a_norm_is_folded_only_where_it_alone_follows_a_convolution(way: str):
    network = with_statistics(Used(way))
    copy, images = folded(network, (1, 12, 12)), noise(3, 12)
    torch.testing.assert_close(copy(images), network(images))
    assert changed(copy, nn.BatchNorm2d) == [way == "alone"]
    assert changed(copy, nn.Conv2d) == [True], "its weights are in oneDNN's order either way"


def test_the_copy_shares_nothing_with_a_network_that_is_trained_on():
    network = Used("alone").train()
    before = deepcopy(network.state_dict())
    copy = folded(network, (1, 12, 12))
    images = noise(4, 12)
    expected = copy(images)
    assert network.training and not copy.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1)
    assert torch.equal(copy(images), expected)


def test_the_random_numbers_of_a_training_are_not_drawn_upon():
    network = Used("alone")
    state = torch.get_rng_state()
    folded(network, (1, 12, 12))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["resnet_digits", "mini_xception"])
def test_predictions_are_those_of_the_network_and_do_not_depend_on_batch_mates(name: str):
    member = registry.get(name)
    network = with_statistics(member.build(7, 1))
    images = np.random.default_rng(0).integers(0, 256, (9, 1, 48, 48), dtype=np.uint8)
    together = predict(member, network.state_dict(), images, 7, "cpu")
    views = network_inputs(torch.from_numpy(images), member.image_size, member.recipe, member.recipe.tta)
    with torch.no_grad():
        expected = torch.stack([logits_of(network(view)) for view in views]).mean(0).numpy()
    np.testing.assert_allclose(together, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
    order = np.array([4, 8, 0, 2])
    apart = predict_tasks(member, network.state_dict(), images[order], 7, "cpu")[0]
    np.testing.assert_allclose(apart, together[order], atol=1e-4 * np.abs(expected).max(), rtol=0)

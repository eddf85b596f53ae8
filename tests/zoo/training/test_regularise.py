"""Dropout before the classifier and the L1 penalty: what they do in training, and nothing afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from zoo import registry
from zoo.recipes import Recipe
from zoo.structure import classifier_modules
from zoo.training.regularise import add_l1_gradient, drop_features


@pytest.mark.parametrize("name", ["lenet", "resnet10t", "mini_xception"])
def test_features_are_dropped_in_training_alone(name: str):
    torch.manual_seed(0)
    network = registry.get(name).build(3, 1)
    names = list(network.state_dict())
    size = registry.get(name).image_size
    images = torch.rand(1, 1, size, size)
    plain = copy.deepcopy(network).eval()
    drop_features(network, 0.5)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network.eval()(images), plain(images))
    for module in network.modules():  # what else differs in training, such as norms, is not of interest
        module.training = False
    for module in classifier_modules(network):
        module.training = True
    assert not torch.allclose(network(images), plain(images))
    averaged = network(images.expand(600, -1, -1, -1)).mean(0, keepdim=True)
    torch.testing.assert_close(averaged, plain(images), atol=0.15, rtol=0.1)


def test_the_penalty_is_the_gradient_of_absolute_weights_of_kernels():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3))
    twin = copy.deepcopy(network)
    images = torch.rand(5, 1, 8, 8)
    network(images).square().mean().backward()
    add_l1_gradient(network.parameters(), 0.01)
    kernels = [twin[0].weight, twin[3].weight]
    (twin(images).square().mean() + 0.01 * sum(kernel.abs().sum() for kernel in kernels)).backward()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"dropout": -0.1}, {"l1": -1.0}])
def test_values_that_mean_nothing_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="is a share below 1"):
        Recipe(**wrong)

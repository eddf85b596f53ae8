"""Blocks that several networks share."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from zoo.networks.layers import PointwiseDown

torch.set_num_threads(1)


@pytest.mark.parametrize("training", [True, False], ids=["training", "predicting"])
@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_every_second_pixel_is_convolved_as_by_a_stride(side: int, training: bool):
    layer = PointwiseDown(3, 5, bias=True).train(training)
    strided = nn.Conv2d(3, 5, 1, stride=2)
    strided.load_state_dict(copy.deepcopy(layer[1].state_dict()))
    images = torch.randn(2, 3, side, side + 1)
    ours, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    found, expected = layer(ours), strided(theirs)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_gradients_keep_channels_last():
    """Those of a slice do not, and the layers before would copy each of theirs."""
    layer = PointwiseDown(3, 5).to(memory_format=torch.channels_last).train()
    images = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    layer(images).square().sum().backward()
    assert images.grad is not None and images.grad.is_contiguous(memory_format=torch.channels_last)

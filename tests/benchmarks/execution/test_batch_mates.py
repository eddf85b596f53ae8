"""Members that look at the images beside the one they classify are found out before their predictions are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.execution.batch_mates import DependsOnBatch, check_batch_mates
from zoo import registry
from zoo.inference.predict import predict
from zoo.member import Member
from zoo.recipes import Recipe

torch.set_num_threads(1)


class Honest(nn.Module):
    """Batch normalisation by what training left, as at test time it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(144, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.body(inputs)


class BatchStatistics(Honest):
    """Batch normalisation by the test images themselves."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.body[1](inputs.flatten(1))
        hidden = (hidden - hidden.mean(0)) / (hidden.std(0, unbiased=False) + 1e-5)
        return self.body[4](torch.relu(hidden))


class Attention(Honest):
    """Attention of each image to all images of the batch (arXiv:2306.09626)."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.body[1](inputs.flatten(1))
        return self.body[4]((hidden @ hidden.T).softmax(1) @ hidden)


NETWORKS = {"honest": Honest, "statistics": BatchStatistics, "attention": Attention}


def build_honest(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return Honest()


def build_statistics(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return BatchStatistics()


def build_attention(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return Attention()


def member(kind: str) -> Member:
    recipe = Recipe(normalise="unit")
    return replace(registry.get("lenet"), name=kind, image_size=12, builder=f"{__name__}:build_{kind}", recipe=recipe)


def checked(kind: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[kind]()
    for weight in network.parameters():
        weight.data *= 4
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 12, 12), dtype=np.uint8)
    weights = network.state_dict()
    check_batch_mates(member(kind), weights, images, predict(member(kind), weights, images, 3, "cpu"), "cpu")


def test_a_member_that_sees_one_image_at_a_time_passes():
    checked("honest")


@pytest.mark.parametrize("kind", ["statistics", "attention"])
def test_a_member_that_sees_its_batch_is_refused_with_the_reason(kind: str):
    with pytest.raises(DependsOnBatch, match=f"{kind} looks at the other images of its batch"):
        checked(kind)


def test_few_images_are_all_predicted_again_and_numbers_that_are_none_are_left_to_the_store():
    network, images = Honest(), np.zeros((5, 1, 12, 12), dtype=np.uint8)
    with pytest.raises(DependsOnBatch):
        check_batch_mates(member("honest"), network.state_dict(), images, np.full((5, 3), 9.0) * np.arange(3), "cpu")
    check_batch_mates(member("honest"), network.state_dict(), images, np.full((5, 3), np.nan), "cpu")

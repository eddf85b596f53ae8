"""Every network of the zoo: it trains, at every size and in every shape it is asked for, and sees no batch mates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.helpers.thorough import looked_at
from zoo import registry
from zoo.inference.pixels import normalise, to_float
from zoo.inference.predict import class_scores
from zoo.outputs import Outputs, logits_of
from zoo.training.optimizers import build_optimizer
from zoo.training.schedule import size_at

torch.set_num_threads(1)

MEMBERS = list(registry.members())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side: int = 48, channels: int = 1, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(seed))


NETWORKS = list(
    {(registry.get(name).builder, registry.get(name).image_size): name for name in reversed(MEMBERS)}.values()
)[::-1]
"""One member for each network and image size; the others differ in what they are trained by."""

HEAVY = 100e6  # parameters: above, gradients are asked of shapes alone, which need no memory
LARGE = 3e9  # multiply-adds an image: above, at a paper's own input size, shapes alone are asked for
HEAVIEST = 200e6  # above, nothing is computed: eva02 members are made of the same layers


@pytest.fixture(scope="module", params=NETWORKS)
def member(request: pytest.FixtureRequest) -> Iterator[registry.Member]:
    yield registry.get(request.param)


@pytest.fixture(scope="module")
def light(member: registry.Member) -> None:
    """Of large networks, `make test` runs the first test alone."""
    if not looked_at(member):
        pytest.skip("left to `make thorough`")


@pytest.fixture(scope="module")
def network(member: registry.Member) -> nn.Module:
    """Built once for all tests of a member."""
    torch.manual_seed(0)
    return member.build(7, 1).to(memory_format=torch.channels_last)


def on_meta(member: registry.Member, classes: int, channels: int) -> nn.Module:
    """The network in training mode on the meta device, where shapes are known and nothing is computed."""
    with torch.device("meta"):
        return member.build(classes, channels).train()


@pytest.fixture(scope="module")
def meta_network(member: registry.Member) -> nn.Module:
    """Built once for all tests of a member."""
    return on_meta(member, 7, 1)


def meta_result(network: nn.Module, channels: int, side: int) -> Any:
    """What a network on the meta device gives for a batch of two images."""
    with torch.device("meta"):
        return network(torch.zeros(2, channels, side, side))


def total_loss(network: nn.Module, result: Tensor | Outputs, targets: Tensor) -> Tensor:
    """Of the logits, of a second classifier, and the network's own term, where it has them."""
    loss = F.cross_entropy(logits_of(result), targets)
    if not isinstance(result, Outputs):
        return loss
    if result.auxiliary is not None:
        loss = loss + F.cross_entropy(result.auxiliary, targets)
    if hasattr(network, "regulariser"):
        loss = loss + network.regulariser(result, targets)  # type: ignore[operator]  # a method, not a tensor
    return loss


def test_a_training_step_reaches_every_parameter(member: registry.Member, meta_network: nn.Module):
    result = meta_result(meta_network, 1, member.image_size)
    total_loss(meta_network, result, torch.zeros(2, 7, device="meta")).backward()
    idle = [name for name, parameter in meta_network.named_parameters() if parameter.grad is None]
    assert idle == []


@pytest.mark.usefixtures("light")
def test_a_training_step_leaves_finite_numbers(member: registry.Member, request: pytest.FixtureRequest):
    if (member.params or 0) > HEAVY or (member.macs or 0) > LARGE:
        pytest.skip("gradients of a network of this size take gigabytes, or minutes")
    network = request.getfixturevalue("network").train()
    inputs = normalise(to_float(noise(3), member.image_size), member.recipe.normalise)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    optimizer = build_optimizer(replace(member.recipe, learning_rate=1e-3, sam=0.0), network)
    assert isinstance(optimizer, torch.optim.Optimizer)
    targets = F.one_hot(torch.arange(3), 7).float()
    total_loss(network, network(inputs), targets).backward()
    optimizer.step()
    optimizer.zero_grad()
    broken = [name for name, value in network.state_dict().items() if not torch.isfinite(value).all()]
    assert broken == []
    assert torch.isfinite(logits_of(network(inputs))).all()


@pytest.mark.usefixtures("light")
def test_logits_do_not_depend_on_batch_mates(member: registry.Member, request: pytest.FixtureRequest):
    if (member.params or 0) > HEAVIEST or (member.macs or 0) > LARGE:
        pytest.skip("a network of this size takes gigabytes, or minutes")
    network = request.getfixturevalue("network")
    images = noise(5, seed=1) // torch.arange(1, 6, dtype=torch.uint8)[:, None, None, None]
    _feed_statistics(network, images, member)
    together = class_scores(network, images, member, tta="none")
    order = torch.tensor([3, 0, 4, 2, 1])
    apart = class_scores(network, images[order], member, tta="none", batch_size=2)
    rounding = 1e-3 * together.abs().max().item()  # deep networks of random weights magnify it
    torch.testing.assert_close(apart, together[order], atol=rounding, rtol=1e-4)
    assert together.std(dim=0).max() > 1e-3, "the test needs logits that differ between images"


def _feed_statistics(network: nn.Module, images: Tensor, member: registry.Member) -> None:
    """Puts the images' own statistics, and nothing else, in place of those that batch norm starts with."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(normalise(to_float(images, member.image_size), member.recipe.normalise))


@pytest.mark.usefixtures("light")
def test_a_network_takes_colour_images_of_any_number_of_classes(member: registry.Member):
    result = meta_result(on_meta(member, 10, 3), 3, member.image_size)
    assert logits_of(result).shape == (2, 10)


@pytest.mark.usefixtures("light")
def test_a_network_trains_at_every_size_its_recipes_ask_for(member: registry.Member, meta_network: nn.Module):
    with_it = [registry.get(name) for name in MEMBERS]
    recipes = [one.recipe for one in with_it if (one.builder, one.image_size) == (member.builder, member.image_size)]
    for side in {size_at(recipe, member.image_size, epoch) for recipe in recipes for epoch in range(recipe.epochs)}:
        assert logits_of(meta_result(meta_network, 1, side)).shape == (2, 7)


def counted(network: nn.Module, *, without: type[nn.Module] | tuple[type[nn.Module], ...] = ()) -> int:
    left_out = {id(p) for module in network.modules() if isinstance(module, without) for p in module.parameters()}
    return sum(p.numel() for p in network.parameters() if id(p) not in left_out)


def test_mini_xception_has_the_published_number_of_parameters():
    assert registry.get("mini_xception").params == counted(registry.get("mini_xception").build(7, 1)) == 56_951


def test_five_layer_cnn_has_the_published_number_of_parameters():
    network = registry.get("five_layer_cnn").build(7, 1)
    assert counted(network, without=(nn.BatchNorm1d, nn.BatchNorm2d)) == 2_436_007

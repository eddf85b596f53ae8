"""Averages of weights: along one training, and soups of several."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from zoo.recipes import Recipe
from zoo.registry import UnknownName
from zoo.state_dicts import join, split
from zoo.training.averaging import KINDS, build_average, reestimate_norm
from zoo.training.soups import greedy_soup, uniform_soup

RECIPE = Recipe(epochs=8, ema_decay=0.9, swa_start=0.5)
STEPS = 5  # an epoch


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def wander(walker: nn.Module, step: int) -> None:
    """Moves weights and statistics as a training step would."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for value in walker.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator), alpha=0.1)
            else:
                value.add_(1)


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_ema_is_bit_identical_to_timm():
    walker = network()
    average = build_average(RECIPE, walker, STEPS)
    theirs = ModelEmaV3(walker, decay=RECIPE.ema_decay, use_warmup=True, warmup_power=0.8)
    for step in range(20):
        wander(walker, step)
        average.update(walker, step)
        theirs.update(walker, step=step)
        assert equal(average.module, theirs.module)
    assert not equal(average.module, walker)
    assert not average.module.training and not average.stale_norm


def test_swa_is_the_mean_of_the_weights_at_the_ends_of_the_last_epochs():
    walker = network()
    average = build_average(replace(RECIPE, average="swa"), walker, STEPS)
    ends: list[list[Tensor]] = []
    for step in range(8 * STEPS):
        wander(walker, step)
        average.update(walker, step)
        if step % STEPS < STEPS - 1:
            continue
        epoch = step // STEPS
        if epoch < 4:
            assert equal(average.module, walker)
        else:
            ends.append([p.detach().clone() for p in walker.parameters()])
            means = [torch.stack(values).mean(0) for values in zip(*ends, strict=True)]
            torch.testing.assert_close(list(average.module.parameters()), means)
        assert average.stale_norm == (epoch > 4)
    assert not equal(average.module, walker) and not average.module.training


@pytest.mark.parametrize(("start", "averaged"), [(0.0, 3), (0.99, 1), (1.0, 1), (0.34, 2)])
def test_swa_takes_in_the_share_of_epochs_that_follow_its_start(start: float, averaged: int):
    walker = network()
    average = build_average(replace(RECIPE, epochs=3, average="swa", swa_start=start), walker, 1)
    ends = []
    for step in range(3):
        wander(walker, step)
        average.update(walker, step)
        ends.append(walker.get_parameter("4.bias").detach().clone())
    torch.testing.assert_close(average.module.get_parameter("4.bias").data, torch.stack(ends[-averaged:]).mean(0))


@pytest.mark.parametrize("kind", ["none", "snapshots"])
def test_without_an_average_the_network_itself_is_evaluated(kind: Any):
    walker = network()
    average = build_average(replace(RECIPE, average=kind), walker, STEPS)
    wander(walker, 0)
    average.update(walker, 0)
    assert average.module is walker and average.state_dict() == {} and not average.stale_norm


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [7, 23, 25])
def test_an_average_goes_on_from_its_checkpoint(kind: Any, stop: int):
    recipe = replace(RECIPE, average=kind)
    walker = network()
    average = build_average(recipe, walker, STEPS)
    for step in range(8 * STEPS):
        if step == stop:
            file = io.BytesIO()
            torch.save({"network": walker.state_dict(), "average": average.state_dict()}, file)
            file.seek(0)
            parts = torch.load(file, weights_only=True)
            walker = network(seed=1)
            average = build_average(recipe, walker, STEPS)
            walker.load_state_dict(parts["network"])
            average.load_state_dict(parts["average"])
        wander(walker, step)
        average.update(walker, step)
    unbroken = network()
    straight = build_average(recipe, unbroken, STEPS)
    for step in range(8 * STEPS):
        wander(unbroken, step)
        straight.update(unbroken, step)
    assert equal(average.module, straight.module)


def test_an_unknown_average_gets_near_matches():
    with pytest.raises(UnknownName, match="did you mean snapshots"):
        build_average(replace(RECIPE, average="snapshot"), network(), STEPS)


def test_norms_are_reestimated_for_the_present_weights():
    net = network().eval()
    before = [p.detach().clone() for p in net.parameters()]
    batches = [torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(n)) + n for n in range(3)]
    reestimate_norm(net, batches)
    maps = [net[0](batch).detach() for batch in batches]
    norm = net[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.momentum == 0.1 and not net.training
    means = torch.stack([each.mean((0, 2, 3)) for each in maps]).mean(0)
    variances = torch.stack([each.transpose(0, 1).flatten(1).var(1) for each in maps]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_several_networks_are_stored_in_one_dictionary():
    several = [network(seed).state_dict() for seed in range(12)]
    joined = join(several)
    assert len(joined) == 12 * len(several[0]) and torch.equal(joined["part.11.4.bias"], several[11]["4.bias"])
    again = split(joined)
    assert all(network().load_state_dict(weights) for weights in again)
    assert all(torch.equal(again[n]["0.weight"], several[n]["0.weight"]) for n in range(12))
    nested = split(join([join(several[:2]), join(several[2:5])]))
    assert all(torch.equal(nested[n]["0.weight"], several[n]["0.weight"]) for n in range(5))
    assert [list(weights) for weights in split(several[0])] == [list(several[0])]


# Soups


def weights(value: float, count: int = 0) -> dict[str, Tensor]:
    return {"kernel": torch.full((2, 2), value), "count": torch.tensor(count)}


def test_a_uniform_soup_is_the_mean_and_takes_counters_from_the_first():
    soup = uniform_soup([weights(1.0, 3), weights(2.0, 4), weights(6.0, 5)])
    assert soup["kernel"].tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert soup["count"].item() == 3 and soup["count"].dtype == torch.int64
    assert soup["kernel"].dtype == torch.float32


def test_a_soup_shares_no_memory_with_its_ingredients():
    ingredient = weights(1.0)
    for soup in (uniform_soup([ingredient]), greedy_soup([ingredient], lambda _: 0.0)[0]):
        for value in soup.values():
            value.add_(1)
    assert ingredient["kernel"].unique().tolist() == [1.0] and ingredient["count"].item() == 0


def test_a_soup_of_one_network_many_times_is_that_network():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(uniform_soup([{"x": values}] * 7)["x"], values)


def test_a_greedy_soup_adds_what_does_not_lower_the_score():
    # the score is highest at 2: 1.5 is best alone, its equal changes nothing, 3 makes the mean 2, the others spoil it
    ingredients = [weights(value) for value in (3.0, 1.5, 10.0, -1.0, 1.5)]
    soup, taken = greedy_soup(ingredients, lambda each: -abs(each["kernel"].mean().item() - 2.0))
    assert taken == [1, 4, 0]
    assert soup["kernel"].unique().tolist() == [2.0]


def test_a_greedy_soup_goes_on_after_a_refusal():
    scores = {1.0: 0.9, 5.0: 0.8, 2.0: 0.7, 3.0: 0.89, 1.5: 0.9}  # 3 is the mean of the first two, 1.5 of 1 and 2
    soup, taken = greedy_soup([weights(v) for v in (1.0, 5.0, 2.0)], lambda each: scores[each["kernel"][0, 0].item()])
    assert taken == [0, 2]
    assert soup["kernel"].unique().tolist() == [1.5]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({**weights(0.0), "kernel": torch.zeros(2, 3)}, r"'kernel' is \(2, 2\) in number 0, \(2, 3\) in number 1"),
        ({"kernel": torch.zeros(2, 2)}, r"'count' is \(\) in number 0, missing in number 1"),
        ({**weights(0.0), "more": torch.zeros(1)}, r"'more' is missing in number 0, \(1,\) in number 1"),
    ],
)  # fmt: skip
def test_a_soup_of_different_architectures_is_refused(other: dict[str, Tensor], message: str):
    with pytest.raises(ValueError, match=message):
        uniform_soup([weights(1.0), other])
    with pytest.raises(ValueError, match=message):
        greedy_soup([weights(1.0), other], lambda _: 0.0)


def test_a_soup_needs_an_ingredient():
    with pytest.raises(ValueError, match="at least one"):
        uniform_soup([])

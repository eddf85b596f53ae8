"""MixUp and CutMix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.recipes import Recipe
from zoo.training.mixup import mix

torch.set_num_threads(1)

BOTH = Recipe(mixup=0.4, cutmix=1.0)
MIXUP, CUTMIX = replace(BOTH, cutmix=0.0), replace(BOTH, mixup=0.0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 64, side: int = 16) -> tuple[Tensor, Tensor]:
    """Images of random pixels [count,3,side,side], and one class an image, so that targets name their sources."""
    return torch.randn(count, 3, side, side, generator=seeded(9)), torch.eye(count)


def own_share(targets: Tensor) -> Tensor:
    """[B], after asserting that the rest of each mixed target is its neighbour's."""
    share, rest = targets.diagonal(), targets.roll(1, 1).diagonal()
    torch.testing.assert_close(share + rest, torch.ones(len(targets)))
    torch.testing.assert_close(targets.sum(1), torch.ones(len(targets)))
    return share


def test_without_mixing_nothing_is_drawn():
    images, targets = batch()
    generator = seeded(0)
    same_images, same_targets = mix(images, targets, Recipe(), generator)
    assert same_images is images and same_targets is targets
    assert torch.equal(generator.get_state(), seeded(0).get_state())


@pytest.mark.parametrize("seed", range(3))
def test_mixup_blends_images_as_it_blends_targets(seed: int):
    images, targets = batch()
    mixed, soft = mix(images, targets, MIXUP, seeded(seed))
    share = own_share(soft)[:, None, None, None]
    torch.testing.assert_close(mixed, share * images + (1 - share) * images.roll(1, 0))
    assert len(set(share.flatten().tolist())) == len(images), "each image draws its own"


@pytest.mark.parametrize("concentration", [0.2, 1.0])
def test_shares_of_mixup_have_the_moments_of_the_beta_distribution(concentration: float):
    images = torch.zeros(20_000, 1, 1, 1)
    share = mix(images, torch.eye(2).repeat(10_000, 1), replace(MIXUP, mixup=concentration), seeded(0))[1][::2, 0]
    assert share.mean().item() == pytest.approx(0.5, abs=0.01)
    assert share.var().item() == pytest.approx(1 / (8 * concentration + 4), rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_cutmix_pastes_a_rectangle_and_its_target_is_the_area_left(seed: int):
    images, targets = batch()
    mixed, soft = mix(images, targets, CUTMIX, seeded(seed))
    kept = (mixed == images).all(dim=1)
    pasted = (mixed == images.roll(1, 0)).all(dim=1)
    assert (kept ^ pasted).all(), "every pixel is of one of the two"
    torch.testing.assert_close(own_share(soft), kept.float().mean(dim=(1, 2)))
    spans = pasted.any(1).sum(1) * pasted.any(2).sum(1)
    assert torch.equal(spans, pasted.sum(dim=(1, 2))), "and the pasted ones fill a rectangle"
    assert 0.2 < pasted.float().mean() < 0.5


def test_of_two_ways_a_batch_takes_one():
    images, targets = batch(8)
    cut = []
    for seed in range(200):
        mixed, _ = mix(images, targets, BOTH, seeded(seed))
        whole = ((mixed == images) | (mixed == images.roll(1, 0))).flatten(1).all(1)
        cut.append(whole.all().item())
        assert whole.all() or whole.float().mean() < 0.5
    assert np.mean(cut) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("recipe", [MIXUP, CUTMIX, BOTH])
def test_the_mixed_share_of_batches_is_that_of_the_recipe(recipe: Recipe):
    images, targets = batch(8)
    untouched = []
    for seed in range(200):
        mixed, soft = mix(images, targets, replace(recipe, mix_probability=0.3), seeded(seed))
        untouched.append(torch.equal(mixed, images))
        assert torch.equal(soft, targets) == untouched[-1]
    assert np.mean(untouched) == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("recipe", [MIXUP, CUTMIX, BOTH])
def test_the_generator_alone_decides(recipe: Recipe):
    images, targets = batch(8)
    first = mix(images, targets, recipe, seeded(4))
    torch.manual_seed(123)
    np.random.seed(123)  # noqa: NPY002, the global state is what must not matter
    again, other = mix(images, targets, recipe, seeded(4)), mix(images, targets, recipe, seeded(5))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(images, batch(8)[0]) and torch.equal(targets, batch(8)[1])

"""MixUp and CutMix: mix the images of a batch, and their targets, on its device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.recipes import Recipe
from zoo.training.augment import rectangles
from zoo.training.losses import UNLABELLED


def mix(images: Tensor, targets: Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each image with its neighbour in the batch: float [B,C,H,W] and distributions [B,K] of unchanged shapes.

    MixUp (arXiv:1710.09412) keeps a share of every pixel, CutMix (arXiv:1905.04899) every pixel outside a rectangle;
    the target keeps the share that its image keeps. Each image draws its own share. Whether a batch is mixed, and by
    which of the two where the recipe has both, is drawn once for the batch. The batch should be shuffled: a neighbour
    is then a random image. `generator` is on the device of `images`; the host does not wait for it.
    """
    if not (recipe.mixup or recipe.cutmix):
        return images, targets
    kept = _kept_share(images, recipe, generator)
    mixed = _uniform(generator) < recipe.mix_probability
    kept = torch.where(mixed, kept, torch.ones_like(kept))
    share = kept.mean(dim=(1, 2, 3))[:, None]
    neighbours = targets.roll(1, 0)
    both = torch.lerp(neighbours, targets, share)
    # An image that keeps all of itself keeps its target, whatever its neighbour's: nothing times NaN is NaN.
    both = torch.where(share == 1, targets, torch.where(share == 0, neighbours, both))
    return torch.lerp(images.roll(1, 0), images, kept), both


def mix_rated(
    images: Tensor, targets: Tensor, affect: Tensor | None, recipe: Recipe, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor | None]:
    """As `mix`, and ratings [B,2] of the images along with them; a mixture with an unrated image has none (NaN)."""
    if affect is None:
        return *mix(images, targets, recipe, generator), None
    ratings = affect.masked_fill(affect == UNLABELLED, math.nan)
    images, both = mix(images, torch.cat([targets, ratings], dim=1), recipe, generator)
    return images, both[:, :-2], both[:, -2:]


def _kept_share(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Draw how much of itself each pixel keeps: [B,1,H,W], or [B,1,1,1] where all pixels of an image keep the same."""
    if not recipe.cutmix:
        return _beta(recipe.mixup, len(images), generator)[:, None, None, None]
    cut = _outside_rectangle(images, recipe.cutmix, generator)
    if not recipe.mixup:
        return cut
    even = _beta(recipe.mixup, len(images), generator)[:, None, None, None]
    return torch.where(_uniform(generator) < 0.5, cut, even)


def _outside_rectangle(images: Tensor, concentration: float, generator: torch.Generator) -> Tensor:
    """Draw masks that are 0 in a rectangle with the image's aspect around a random point, and 1 elsewhere."""
    side = (1 - _beta(concentration, len(images), generator)).sqrt_()
    centre_y, centre_x = _uniform(generator, len(images)), _uniform(generator, len(images))
    height, width = images.shape[2:]
    return 1 - rectangles(side, side, centre_y, centre_x, (height, width)).to(images.dtype)


def _beta(concentration: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw [count] numbers of a symmetric beta distribution, as the first component of a Dirichlet distribution.

    `torch.distributions` uses the same function, but only with the global generator.
    """
    parameters = torch.full((count, 2), concentration, device=generator.device)
    return torch._sample_dirichlet(parameters, generator)[:, 0]


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)

"""What a recipe asks for as training goes on: pure functions of progress, so a resumed run follows the same path."""

from __future__ import annotations

import math

from zoo.recipes import Recipe


def learning_rate_factor(recipe: Recipe, progress: float) -> float:
    """Share of the peak learning rate at `progress` in [0, 1].

    Both schedules rise linearly over the warm-up; `onecycle` (arXiv:1708.07120) falls linearly to zero, `cosine` by
    half a wave.
    """
    if progress < recipe.warmup:
        return max(progress / recipe.warmup, 0.02)
    fall = (progress - recipe.warmup) / max(1e-9, 1 - recipe.warmup)
    return 1 - fall if recipe.schedule == "onecycle" else 0.5 * (1 + math.cos(math.pi * fall))


def size_at(recipe: Recipe, image_size: int, epoch: int) -> int:
    """Image side in an epoch: from `start_size` of it in steps of 8 pixels to the whole after 60 % of the epochs."""
    if recipe.start_size >= 1 or epoch == recipe.epochs - 1:
        return image_size
    start = max(8, round(image_size * recipe.start_size / 8) * 8)
    rungs = list(range(start, image_size, 8))
    rung = int(epoch / (0.6 * recipe.epochs) * len(rungs))
    return rungs[rung] if rung < len(rungs) else image_size

"""Learning rate, image size and the end of training as functions of progress alone: a resumed run follows them too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from zoo.errors import UnknownName
from zoo.recipes import Recipe


def learning_rate_factor(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    """Return the share of the peak learning rate at `progress` in [0, 1], in an epoch counted from 0.

    `val_accuracies` are those of the complete epochs; only `plateau` reads them. Every schedule rises linearly over the
    warm-up. Raises UnknownName for an unknown schedule.
    """
    if recipe.schedule not in SCHEDULES:
        raise UnknownName("schedule", recipe.schedule, SCHEDULES)
    rise = max(progress / recipe.warmup, 0.02) if progress < recipe.warmup else 1.0
    return rise * SCHEDULES[recipe.schedule](recipe, progress, epoch, val_accuracies)


def _since_warmup(recipe: Recipe, progress: float) -> float:
    return max(0.0, (progress - recipe.warmup) / max(1e-9, 1 - recipe.warmup))


def _half_a_wave(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _onecycle(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    """Fall linearly to zero (arXiv:1708.07120)."""
    return 1 - _since_warmup(recipe, progress)


def _cosine(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    return _half_a_wave(_since_warmup(recipe, progress))


def _warm_restarts(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    """Fall by half a cosine wave in each cycle, and start again at the peak (arXiv:1608.03983)."""
    ends = cycle_ends(recipe)
    cycle = next(index for index, end in enumerate(ends) if epoch < end)
    start = ends[cycle - 1] if cycle else recipe.warmup * recipe.epochs
    share = (progress * recipe.epochs - start) / (ends[cycle] - start)
    return _half_a_wave(min(1.0, max(0.0, share)))


def _plateau(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    best, waited, reductions = -math.inf, 0, 0
    for accuracy in val_accuracies:
        best, waited = (accuracy, 0) if accuracy > best else (best, waited + 1)
        if waited == recipe.patience:
            waited, reductions = 0, reductions + 1
    return recipe.decay**reductions


def _step(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    return recipe.decay ** (epoch // recipe.step_epochs)


def _exponential(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    return recipe.decay**epoch


def _constant(recipe: Recipe, progress: float, epoch: int, val_accuracies: Sequence[float]) -> float:
    return 1.0


SCHEDULES: dict[str, Callable[[Recipe, float, int, Sequence[float]], float]] = {
    "onecycle": _onecycle,
    "cosine": _cosine,
    "warm_restarts": _warm_restarts,
    "plateau": _plateau,
    "step": _step,
    "exponential": _exponential,
    "constant": _constant,
}


def cycle_ends(recipe: Recipe) -> list[int]:
    """Return the number of complete epochs after each of the `cycles`, which are equally long, after the warm-up.

    Raises ValueError where a cycle would be shorter than an epoch.
    """
    start = recipe.warmup * recipe.epochs
    if not 1 <= recipe.cycles <= recipe.epochs - start:
        raise ValueError(
            f"cycles ({recipe.cycles}) must be 1 to {int(recipe.epochs - start)}, the epochs after warm-up"
        )
    return [round(start + (recipe.epochs - start) * (cycle + 1) / recipe.cycles) for cycle in range(recipe.cycles)]


def snapshot_epochs(recipe: Recipe) -> tuple[int, ...]:
    """Return the epochs (from 0) after which `average="snapshots"` keeps the weights (arXiv:1704.00109).

    They are the last of each cycle. Raises ValueError for a recipe without several warm restarts.
    """
    if recipe.schedule != "warm_restarts" or recipe.cycles < 2:
        raise ValueError(
            f"snapshots are kept at the end of each cycle: they need schedule='warm_restarts' and cycles > 1, "
            f"not {recipe.schedule!r} and {recipe.cycles}"
        )
    return tuple(end - 1 for end in cycle_ends(recipe))


def stop_early(recipe: Recipe, val_accuracies: Sequence[float]) -> bool:
    """Return whether the last `stop_after` complete epochs brought no better val accuracy than those before."""
    if not recipe.stop_after or not val_accuracies:
        return False
    best = max(range(len(val_accuracies)), key=val_accuracies.__getitem__)  # the first of equal ones
    return len(val_accuracies) - 1 - best >= recipe.stop_after


def size_at(recipe: Recipe, image_size: int, epoch: int) -> int:
    """Return the image side in an epoch: it grows from `start_size` in steps of 8 pixels until 60 % of the epochs."""
    if recipe.start_size >= 1 or epoch == recipe.epochs - 1:
        return image_size
    start = max(8, round(image_size * recipe.start_size / 8) * 8)
    rungs = list(range(start, image_size, 8))
    rung = int(epoch / (0.6 * recipe.epochs) * len(rungs))
    return rungs[rung] if rung < len(rungs) else image_size

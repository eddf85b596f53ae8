"""Schedules at their key points, and that each is a pure function of what a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from zoo.recipes import Recipe
from zoo.registry import UnknownName
from zoo.training.schedule import SCHEDULES, cycle_ends, learning_rate_factor, size_at, snapshot_epochs, stop_early

RECIPE = Recipe(epochs=20, warmup=0.0)


def factors(recipe: Recipe, steps: int = 50, val_accuracies: Sequence[float] = ()) -> list[list[float]]:
    """The factor of each step of each epoch."""
    total = recipe.epochs * steps
    return [
        [learning_rate_factor(recipe, (epoch * steps + step) / total, epoch, val_accuracies) for step in range(steps)]
        for epoch in range(recipe.epochs)
    ]


def flat(rows: list[list[float]]) -> list[float]:
    return [factor for row in rows for factor in row]


@pytest.mark.parametrize("epochs", [2, 5, 12, 24, 30])
@pytest.mark.parametrize(("start", "side"), [(2 / 3, 48), (0.5, 224), (0.1, 64), (1.0, 48), (2 / 3, 8)])
def test_sizes_only_grow_and_are_full_for_the_last_40_percent(epochs: int, start: float, side: int):
    recipe = replace(RECIPE, epochs=epochs, start_size=start)
    sizes = [size_at(recipe, side, epoch) for epoch in range(epochs)]
    assert sizes == sorted(sizes)
    assert all(size == side for epoch, size in enumerate(sizes) if epoch >= 0.6 * epochs)
    assert all(size % 8 == 0 and 8 <= size <= side for size in sizes)
    assert sizes[0] == max(8, min(side, round(side * start / 8) * 8))


@pytest.mark.parametrize("schedule", ["onecycle", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.5])
def test_the_learning_rate_rises_over_the_warm_up_and_then_falls_to_nothing(schedule: Any, warmup: float):
    recipe = replace(RECIPE, schedule=schedule, warmup=warmup)
    rates = [learning_rate_factor(recipe, step / 1000, min(19, step // 50), ()) for step in range(1001)]
    peak = round(1000 * warmup)
    assert rates[peak] == pytest.approx(1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates[:-1]) > 0
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_onecycle_and_cosine_fall_differently():
    recipe = replace(RECIPE, warmup=0.2)
    halfway = {kind: learning_rate_factor(replace(recipe, schedule=kind), 0.4, 8, ()) for kind in SCHEDULES}
    assert halfway["onecycle"] == pytest.approx(0.75)
    assert halfway["cosine"] == pytest.approx(0.5 + 0.25 * 2**0.5)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_warms_up(schedule: Any):
    recipe = replace(RECIPE, schedule=schedule, warmup=0.25, decay=0.9, epochs=12, cycles=3)
    plain = factors(replace(recipe, schedule="constant"))
    assert plain[0][0] == pytest.approx(0.02) and plain[1][25] == pytest.approx(0.5) and plain[3][0] == 1
    assert factors(recipe)[0] == plain[0]


def test_one_warm_restart_cycle_is_cosine():
    recipe = replace(RECIPE, warmup=0.2, cycles=1)
    cosine, restarts = (flat(factors(replace(recipe, schedule=kind))) for kind in ("cosine", "warm_restarts"))
    assert restarts == pytest.approx(cosine)


def test_warm_restarts_start_each_cycle_at_the_peak():
    rows = factors(replace(RECIPE, schedule="warm_restarts", cycles=4))
    for cycle in range(4):
        part = flat(rows[5 * cycle : 5 * cycle + 5])
        assert part == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 250)) for step in range(250)])


@pytest.mark.parametrize(("epochs", "cycles", "warmup"), [(10, 3, 0.0), (7, 5, 0.1), (30, 4, 0.2), (3, 3, 0.0)])
def test_cycles_end_with_an_epoch_and_share_them_equally(epochs: int, cycles: int, warmup: float):
    recipe = replace(RECIPE, schedule="warm_restarts", epochs=epochs, cycles=cycles, warmup=warmup)
    ends = cycle_ends(recipe)
    lengths = [end - start for start, end in pairwise([warmup * epochs, *ends])]
    assert ends[-1] == epochs and min(lengths) > 0 and max(lengths) - min(lengths) <= 1.5
    rows = factors(recipe)
    for number, end in enumerate(ends, start=1):
        assert rows[end - 1][-1] < 0.02
        assert number == cycles or rows[end][0] == 1


def test_snapshots_are_taken_after_the_last_epoch_of_each_cycle():
    assert snapshot_epochs(replace(RECIPE, schedule="warm_restarts", cycles=4)) == (4, 9, 14, 19)


@pytest.mark.parametrize("options", [{"cycles": 4}, {"schedule": "warm_restarts"}])
def test_snapshots_need_several_warm_restarts(options: dict[str, Any]):
    with pytest.raises(ValueError, match="schedule='warm_restarts' and cycles > 1"):
        snapshot_epochs(replace(RECIPE, **options))


@pytest.mark.parametrize("cycles", [0, 17])
def test_a_cycle_is_an_epoch_or_longer(cycles: int):
    with pytest.raises(ValueError, match=rf"cycles \({cycles}\) must be 1 to 16"):
        cycle_ends(replace(RECIPE, warmup=0.2, cycles=cycles))


@pytest.mark.parametrize(
    ("val_accuracies", "reductions"),
    [
        ([], 0),
        ([0.5, 0.4, 0.4], 0),
        ([0.5, 0.4, 0.4, 0.5], 1),  # equal is not better
        ([0.5, 0.4, 0.4, 0.6, 0.5, 0.5], 0),
        ([0.5, 0.4, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5], 2),
        ([0.5] + [0.1] * 6, 2),
    ],
)
def test_plateau_lowers_the_rate_after_epochs_without_a_better_accuracy(val_accuracies: list[float], reductions: int):
    recipe = replace(RECIPE, schedule="plateau", patience=3, decay=0.2)
    assert learning_rate_factor(recipe, 0.5, len(val_accuracies), val_accuracies) == pytest.approx(0.2**reductions)


def test_step_and_exponential_lower_the_rate_by_epochs():
    step = factors(replace(RECIPE, schedule="step", step_epochs=8, decay=0.1))
    assert [row[0] for row in step] == pytest.approx([1.0] * 8 + [0.1] * 8 + [0.01] * 4)
    exponential = factors(replace(RECIPE, schedule="exponential", decay=0.9))
    assert [row[0] for row in exponential] == pytest.approx([0.9**epoch for epoch in range(20)])
    assert all(len(set(row)) == 1 for row in step + exponential)


def test_constant_stays():
    assert set(flat(factors(replace(RECIPE, schedule="constant")))) == {1.0}


def test_an_unknown_schedule_gets_near_matches():
    with pytest.raises(UnknownName, match="did you mean cosine"):
        learning_rate_factor(replace(RECIPE, schedule="cosin"), 0.5, 0, ())


@pytest.mark.parametrize(
    ("val_accuracies", "stops"),
    [([], False), ([0.5], False), ([0.5, 0.4], False), ([0.5, 0.4, 0.5], True), ([0.5, 0.4, 0.6], False),
     ([0.1, 0.2, 0.3, 0.3, 0.3], True)],
)  # fmt: skip
def test_training_stops_after_epochs_without_a_better_accuracy(val_accuracies: list[float], stops: bool):
    assert stop_early(replace(RECIPE, stop_after=2), val_accuracies) is stops
    assert stop_early(RECIPE, val_accuracies) is False

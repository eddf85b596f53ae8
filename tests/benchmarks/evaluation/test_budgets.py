"""The best average within a budget: against all subsets, and with nothing that costs more."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation.budgets import NothingAffordable, choose_within, cost_of, curve, within

COSTS = (1.0, 2.0, 2.0, 3.0, 5.0, 8.0)


def made(samples: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Six members, the dearer the better: probabilities [6, samples, 4] and targets."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 4, samples)
    logits = np.stack(
        [(0.7 + 0.25 * skill) * np.eye(4)[targets] + random.normal(0, 1, (samples, 4)) for skill in range(6)]
    )
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), targets


def cost(places: Any) -> float:
    return sum(COSTS[place] for place in places)


@pytest.mark.parametrize("budget", [1.0, 3.5, 6.0, 9.0, 21.0])
def test_the_choice_keeps_to_the_budget_and_is_near_the_best_of_all_subsets(budget: float):
    probabilities, targets = made()
    of_target = probabilities[:, np.arange(len(targets)), targets]
    chosen = choose_within(of_target, cost, budget)
    assert cost(chosen) <= budget
    every = [subset for size in range(1, 7) for subset in combinations(range(6), size) if cost(subset) <= budget]
    best = min(-np.log(of_target[list(subset)].mean(axis=0)).mean() for subset in every)
    assert -np.log(of_target[list(chosen)].mean(axis=0)).mean() <= best + 0.002


def test_more_budget_is_never_worse_on_val_as_fitted():
    probabilities, targets = made()
    of_target = probabilities[:, np.arange(len(targets)), targets]
    losses = [
        -np.log(of_target[list(choose_within(of_target, cost, budget))].mean(axis=0)).mean() for budget in (1, 4, 9, 21)
    ]
    assert losses == sorted(losses, reverse=True)


def test_members_of_unknown_cost_have_no_part_and_what_no_one_keeps_to_is_refused():
    probabilities, targets = made()
    of_target = probabilities[:, np.arange(len(targets)), targets]
    chosen = choose_within(of_target, lambda places: None if 5 in places else cost(places), 100.0)
    assert 5 not in chosen
    with pytest.raises(NothingAffordable, match=r"budget of 0\.5 an image: the cheapest member takes 1"):
        choose_within(of_target, cost, 0.5)


def test_views_that_members_share_are_paid_once():
    facts: Any = [
        {"name": name, "seed": 0, "flops": flops, "tta": tta, "recipe": None, "device": "a", "ms_per_image": 2.0}
        for name, flops, tta in (("net", 2.0, "flip"), ("other", 4.0, "flip"))
    ]
    facts.append({**facts[0], "name": "net@scale_tta", "flops": 6.0, "tta": "scale", "weights_of": "net.s0"})
    alone, together = cost_of(facts, "flops"), cost_of(facts, "ms")
    assert alone([0, 1]) == 6.0 and together([0, 1]) == 4.0
    both = alone([0, 2])
    assert both is not None and both <= 8.0


def test_the_choice_is_cross_fitted():
    probabilities, targets = made()
    choice = within(probabilities, targets, cost, 9.0)
    assert choice.cost <= 9.0 and 0.3 < choice.cross_fitted < 0.9
    assert curve([1.0, 4.0], points=3) == pytest.approx([1.0, 8.0**0.5, 8.0])

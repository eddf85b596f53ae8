"""Members trained on short budgets: which they are by val alone, and when nobody is set apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.evaluation.row_classes import ENOUGH, split_row_classes
from benchmarks.results.row_classes import SHORT_BUDGET, row_classes
from benchmarks.store.identity import Configuration, External
from benchmarks.store.predictions import Predictions
from zoo import registry
from zoo.overrides import override

TARGETS = np.arange(200) % 4


def member(right: int, best_epoch: float | None, epochs: int = 20, seed: int = 0) -> Predictions:
    """One that is right on so many of 200 images of val, and on no image of test."""
    said = np.where(np.arange(200) < right, TARGETS, (TARGETS + 1) % 4)
    logits = 3 * np.eye(4, dtype=np.float32)[said]
    configuration = Configuration(override(registry.get("linear"), [f"recipe.epochs={epochs}"]), seed, "f" * 32, 4)
    return Predictions(configuration, logits, logits[:, ::-1], {"best_epoch": best_epoch})


GOOD = [member(right, 20, seed=right) for right in (160, 158, 156, 154, 153)]  # 4 points are 8 images


def test_who_was_still_gaining_far_below_the_best_is_set_apart():
    gaining, done, near = member(151, 19), member(120, 17), member(152, 20)
    halves = member(150, 18.5)
    everyone = [gaining, *GOOD, done, near, halves]
    kept, apart = split_row_classes(everyone, None, TARGETS)
    assert kept == [*GOOD, done, near]
    assert [one.configuration for one in apart] == [gaining.configuration, halves.configuration]
    assert all(row_classes({"row_classes": [one.provenance["row_class"]]}) == (SHORT_BUDGET,) for one in apart)
    assert gaining.provenance == {"best_epoch": 19}, "what is stored stays as it is"
    assert split_row_classes(everyone, None) == (everyone, []), "without targets nobody is judged"


def test_test_has_no_say():
    changed = [replace(one, test=one.val) for one in [member(151, 19), *GOOD]]
    assert [one.seed for one in (row.configuration for row in split_row_classes(changed, None, TARGETS)[0])] == [
        one.configuration.seed for one in GOOD
    ]


@pytest.mark.parametrize("count", [ENOUGH - 1, ENOUGH])
def test_too_few_are_left_alone(count: int):
    everyone = [*GOOD[:count], member(100, 20)]
    assert len(split_row_classes(everyone, None, TARGETS)[0]) == ENOUGH


def test_models_from_elsewhere_are_not_judged_and_judge_nobody():
    logits = 3 * np.eye(4, dtype=np.float32)[TARGETS]
    perfect = Predictions(External.of("tool", "f" * 32, logits, logits), logits, logits, {"row_class": "tools"})
    weak = member(152, 20)
    poor = replace(perfect, configuration=External("poor", "f" * 32, 4, "x"), val=logits[:, ::-1], provenance={})
    kept, apart = split_row_classes([*GOOD, weak, perfect, poor], None, TARGETS)
    assert kept == [*GOOD, weak, poor] and apart == [perfect]

"""Compiling is decided by what it costs and saves, and a compiled training is the same training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.data import Split
from zoo import registry
from zoo.compiling import COMPILE_SECONDS, SAVED, image_sizes, worth_compiling
from zoo.recipes import Recipe
from zoo.training import train


def test_compiling_pays_on_a_gpu_from_the_step_on_at_which_it_has_saved_its_cost():
    even = COMPILE_SECONDS["cuda"] / SAVED["cuda"] / 0.01
    assert worth_compiling("cuda", round(even) + 1, 0.01)
    assert not worth_compiling("cuda", round(even) - 1, 0.01)
    assert not worth_compiling("cuda", round(even) + 1, 0.01, sizes=2)
    assert worth_compiling("cuda", 2 * round(even) + 1, 0.01, sizes=2)


def test_compiling_never_pays_on_a_cpu():
    assert not worth_compiling("cpu", 10**9, 1.0)


def test_progressive_resizing_compiles_once_a_size():
    assert image_sizes(Recipe(epochs=20), 48) == 1
    assert image_sizes(replace(Recipe(epochs=20), start_size=2 / 3), 48) == 3


def test_a_compiled_training_takes_its_steps_through_the_compiled_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls: list[int] = []

    def compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
        return lambda inputs: calls.append(1) or network(inputs)  # type: ignore[func-returns-value]

    monkeypatch.setattr(torch, "compile", compiled)
    member = registry.get("linear")
    member = replace(member, recipe=replace(member.recipe, epochs=1, batch_size=8))
    random = np.random.default_rng(0)
    data = Split(random.integers(0, 256, (32, 1, 8, 8), dtype=np.uint8), np.arange(32) % 10, np.arange(32))
    weights = []
    for name, compile_it in (("plain", False), ("compiled", True)):
        options = {"num_classes": 10, "seed": 0, "device": "cpu", "checkpoint": tmp_path / name}
        weights.append(train(member, data, data, **options, compiled=compile_it).weights)  # type: ignore[arg-type]
        assert len(calls) == 4 * compile_it
    assert all(torch.equal(weights[1][key], value) for key, value in weights[0].items())

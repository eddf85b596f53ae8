"""On a GPU a number is read one look late, and whatever is found late is found all the same."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.data import Split
from zoo import registry
from zoo.training.async_scalar import AsyncScalar
from zoo.training.job import Splits, TrainContext, TrainJob
from zoo.training.loop import TrainingDiverged, train


class Event:
    """What a GPU has reached; as on a GPU, nothing says when that was."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    def record(self) -> None:
        self.happened.append("recorded")

    def synchronize(self) -> None:
        self.happened.append("waited for")


def test_on_a_cpu_a_look_is_of_now():
    number = AsyncScalar("cpu")
    assert [number.look(torch.tensor(value), step) for step, value in ((20, 1.5), (40, 2.5))] == [(20, 1.5), (40, 2.5)]


def test_on_a_gpu_each_look_gives_what_the_one_before_copied(monkeypatch: pytest.MonkeyPatch):
    events: list[Event] = []

    def event() -> Event:
        events.append(Event())
        return events[-1]

    monkeypatch.setattr(torch.cuda, "Event", event)
    number = AsyncScalar("cuda")
    assert number.look(torch.tensor(1.5), 20) is None
    assert number.look(torch.tensor(2.5), 40) == (20, 1.5)
    assert number.look(torch.tensor(3.5), 60) == (40, 2.5)
    assert [one.happened for one in events] == [["recorded", "waited for"], ["recorded", "waited for"], ["recorded"]]


def test_a_loss_that_no_look_saw_in_time_ends_the_training_with_the_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def late(number: AsyncScalar, value: Tensor, step: int) -> None:
        assert math.isfinite(value.item()) or step == 2

    monkeypatch.setattr(AsyncScalar, "look", late)
    member, random = registry.get("linear"), np.random.default_rng(0)
    recipe = replace(member.recipe, batch_size=8, learning_rate=1e38, clip_norm=0.0, warmup=0.0, optimizer="sgd")
    data = Split(random.integers(0, 256, (16, 1, 8, 8), dtype=np.uint8), np.arange(16) % 10, np.arange(16))
    job = TrainJob(replace(member, recipe=recipe), Splits(data, data), num_classes=10)
    with pytest.raises(TrainingDiverged, match="epoch 1, step 2 of 2: lower the recipe's learning_rate"):
        train(job, TrainContext(tmp_path))

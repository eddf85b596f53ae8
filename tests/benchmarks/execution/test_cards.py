"""One training in several processes: two of gloo, which share a CPU as two of NCCL would share a machine."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.execution import executor
from benchmarks.execution.progress import NullProgress
from benchmarks.session import Options, Session
from benchmarks.store.predictions import Predictions
from zoo.training.job import TrainContext
from zoo.training.loop import Stopped
from zoo.training.world import World

torch.set_num_threads(1)

EPOCHS = 3


def session(results: Path, cards: int, *changes: str) -> Session:
    asked = Options("digits", ("mlp",), results=results, device="cpu", train="missing", cards=cards, epochs=EPOCHS)
    return Session(replace(asked, changes=changes))


def train(one: Session, **more: Any) -> Predictions:
    context: TrainContext = replace(executor.train_context(one, lambda: None, NullProgress()), **more)
    (configuration,) = one.configurations(one.folds[0])
    return executor.execute(one, one.folds[0], configuration, context)


def stopped_at(step: int):
    asked = iter(range(10**6))
    return lambda: "enough" if next(asked) == step else None


def losses(one: Session) -> list[tuple[str, str]]:
    (file,) = one.store.folder.glob("mlp.s0.*.csv")
    with file.open() as lines:
        return [(row["train_loss"], row["train_accuracy"]) for row in csv.DictReader(lines)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Predictions]:
    """Trained by two processes from beginning to end."""
    two = session(tmp_path_factory.mktemp("unbroken"), 2)
    return two, train(two)


def test_two_processes_train_what_one_does_up_to_rounding(unbroken: tuple[Session, Predictions], tmp_path: Path):
    """Up to the statistics of batch norm, which each takes of its slice: as one that accumulates two halves does."""
    two, together = unbroken
    one = session(tmp_path, 1, "recipe.accumulate=2")
    alone = train(one)
    assert together.provenance["cards"] == 2 and together.provenance["backend"] == "gloo"
    assert "cards" not in alone.provenance
    for (loss, right), (expected, its) in zip(losses(two), losses(one), strict=True):
        assert float(loss) == pytest.approx(float(expected), rel=0.05)
        assert float(right) == pytest.approx(float(its), abs=0.03)


def test_stopped_and_gone_on_with_they_end_in_the_same_bits(unbroken: tuple[Session, Predictions], tmp_path: Path):
    two, expected = session(tmp_path, 2), unbroken[1]
    with pytest.raises(Stopped, match="enough"):
        train(two, stop=stopped_at(13))
    (state,) = two.checkpoints.glob("*.pt")
    message = f"its training was begun with --cards 2, and goes on with that number alone: .* remove .*{state.name}"
    with pytest.raises(ValueError, match=message):
        train(session(tmp_path, 1))
    assert state.exists(), "what is refused is not lost"
    found = train(two)
    np.testing.assert_array_equal(found.val, expected.val)
    np.testing.assert_array_equal(found.test, expected.test)


def test_batches_that_cannot_be_shared_are_refused():
    assert World(1, 2).rows(64, 4) == slice(32, 64)
    with pytest.raises(ValueError, match=r"3 cards cannot share batches of 64: .* a multiple of 3"):
        World(0, 3).rows(64, 1)

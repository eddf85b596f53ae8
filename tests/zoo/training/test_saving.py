"""When the state of a training is saved, and what it records of where its steps were taken."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from benchmarks.data import Dataset
from zoo import registry
from zoo.training import checkpoint, saving
from zoo.training.job import TrainContext, TrainJob
from zoo.training.loop import Stopped, Trained, train
from zoo.training.segments import extended

torch.set_num_threads(1)

EPOCHS = 4


def training(dataset: Dataset) -> TrainJob:
    mlp = registry.get("mlp")
    member = replace(mlp, image_size=16, recipe=replace(mlp.recipe, epochs=EPOCHS, batch_size=48))
    return TrainJob(member, dataset, 3)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every state that is written."""
    written: list[Path] = []

    def publish(path: Path, content: bytes) -> None:
        written.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    for module in (saving, checkpoint):
        monkeypatch.setattr(module, "publish", publish)
    return written


@pytest.mark.parametrize(("every", "times"), [(0.0, EPOCHS), (1e9, 2)])
def test_a_state_is_saved_first_then_by_time_and_at_the_end(
    every: float, times: int, dataset: Dataset, tmp_path: Path, saved: list[Path]
):
    train(training(dataset), TrainContext(tmp_path, checkpoint_every=every))
    assert saved == [tmp_path / "training.pt"] * times


def test_a_stop_saves_whatever_the_time(dataset: Dataset, tmp_path: Path, saved: list[Path]):
    asked = count()
    context = TrainContext(tmp_path, checkpoint_every=1e9, stop=lambda: "enough" if next(asked) > 9 else None)
    with pytest.raises(Stopped):
        train(training(dataset), context)
    assert len(saved) == 2
    reached = checkpoint.peek(tmp_path / "training.pt")
    assert reached is not None and (reached.epoch, reached.step) == (2, 2)


def test_a_disk_that_is_full_is_told_of_once(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(saving, "publish", full)
    notes: list[str] = []
    trained = train(training(dataset), TrainContext(tmp_path, note=notes.append))
    assert len(trained.history) == EPOCHS
    assert notes == ["the state of the training cannot be saved (no space left); it goes on, and a stop would lose it"]


def test_steps_are_recorded_with_the_place_where_they_were_taken(dataset: Dataset, tmp_path: Path):
    asked = count()
    here = TrainContext(tmp_path, place={"host": "a", "threads": 1})
    with pytest.raises(Stopped):
        train(training(dataset), replace(here, stop=lambda: "enough" if next(asked) > 4 else None))
    with pytest.raises(Stopped):
        train(training(dataset), replace(here, stop=lambda: "enough" if next(asked) > 12 else None))
    done: Trained = train(training(dataset), replace(here, place={"host": "b", "threads": 1}))
    steps = len(dataset.train) // 48 * EPOCHS
    first, second = done.segments
    assert first["host"] == "a" and second == {"host": "b", "threads": 1, "steps": [first["steps"][1], steps]}
    assert first["steps"][0] == 0


def test_what_was_begun_before_places_were_kept_has_none():
    assert extended([], {"host": "a"}, 7, 9) == [{"steps": [0, 7]}, {"host": "a", "steps": [7, 9]}]
    assert extended([], {"host": "a"}, 0, 9) == [{"host": "a", "steps": [0, 9]}]

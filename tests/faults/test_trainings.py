"""Trainings that are killed between any two of their files, and weights that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks.data import Dataset
from benchmarks.execution import train as training
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.weights import read_weights, states, weights_path, write_weights
from zoo import registry
from zoo.overrides import override
from zoo.training.job import Progress, TrainContext
from zoo.training.loop import Stopped

torch.set_num_threads(1)


class Killed(BaseException):
    """Stands for the end of the process."""


class Run:
    """A member that is trained in a folder, and how many epochs that takes."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self.dataset, self.store = dataset, PredictionStore(folder / "predictions")
        member = override(registry.get("mlp"), ["recipe.epochs=5"])
        self.configuration = Configuration(member, 0, dataset.fingerprint, 3)
        self.checkpoints, self.notes = folder / "checkpoints", list[str]()
        self.weights = weights_path(self.checkpoints, self.configuration)
        self.complete: list[int] = []  # epochs, at each report of how far a training is

    @property
    def states(self) -> list[Path]:
        return states(self.checkpoints, self.configuration.stem)

    def __call__(self, *, retrain: bool = False, stop: Callable[[], str | None] = lambda: None) -> Predictions:
        self.complete = []
        context = TrainContext(self.checkpoints, stop=stop, progress=self._count, note=self.notes.append)
        return training.train_or_load(self.configuration, self.dataset, self.store, context, retrain=retrain)

    @property
    def epochs(self) -> int:
        """How many epochs the last call trained."""
        return max(self.complete) - min(self.complete) if self.complete else 0

    def _count(self, progress: Progress) -> None:
        self.complete.append(progress.epoch)


@pytest.fixture
def run(tmp_path: Path, dataset: Dataset) -> Run:
    return Run(tmp_path, dataset)


def killed_before_its_weights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(training, "write_weights", kill)
        run()
    assert run.states and not run.weights.exists()


def test_always_never_goes_on_from_a_finished_training(run: Run, monkeypatch: pytest.MonkeyPatch):
    killed_before_its_weights(run, monkeypatch)
    whole = run.epochs
    assert whole > 1
    run()
    assert run.epochs == 0, "a training is not done twice where nobody asks for it"
    run.weights.unlink()
    killed_before_its_weights(run, monkeypatch)
    run(retrain=True)
    assert run.epochs == whole
    assert run.weights.exists() and not run.states


def test_always_goes_on_from_a_training_that_was_stopped(run: Run):
    steps = iter(range(1000))
    with pytest.raises(Stopped):
        run(retrain=True, stop=lambda: "enough" if next(steps) > 2 else None)
    reached = torch.load(run.states[0], weights_only=True)["state"]["epoch"]
    assert reached > 0
    run(retrain=True)
    assert run.epochs == run.configuration.member.recipe.epochs - reached


def test_the_state_that_a_kill_left_beside_the_weights_is_removed(run: Run, monkeypatch: pytest.MonkeyPatch):
    killed_before_its_weights(run, monkeypatch)
    (state,) = run.states
    content = state.read_bytes()
    run()
    state.write_bytes(content)
    expected = run.weights.read_bytes()
    run()
    assert not run.states and run.weights.read_bytes() == expected


@pytest.mark.parametrize("what", ["one bit", "another network", "no number", "no history"])
def test_weights_that_cannot_be_used_are_set_aside_once(run: Run, what: str):
    run()
    weights, provenance, history = read_weights(run.weights)
    if what == "one bit":
        content = bytearray(run.weights.read_bytes())
        content[-5] ^= 16
        run.weights.write_bytes(content)
    elif what == "another network":
        name = next(name for name, value in weights.items() if value.ndim)
        write_weights(run.weights, {**weights, name: weights[name][:1]}, provenance, history)
    elif what == "no number":
        from safetensors.torch import save

        header = {"provenance": "{}", "history": "[]"}
        run.weights.write_bytes(save({name: value * float("nan") for name, value in weights.items()}, header))
    else:
        write_weights(run.weights, weights, provenance, {"epoch": 1})  # type: ignore[arg-type]
    run()
    assert run.epochs == run.configuration.member.recipe.epochs
    assert run.weights.with_suffix(".unreadable").exists()
    (note,) = run.notes
    assert run.weights.name in note and f"It is set aside as {run.weights.with_suffix('.unreadable').name}" in note
    run()
    assert run.epochs == 0

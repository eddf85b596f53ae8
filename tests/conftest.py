"""Fixtures that several test files share."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here or in a subprocess: the same sums everywhere

from benchmarks.data import Dataset
from benchmarks.data.fingerprint import assemble
from benchmarks.report import figures
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import FACES, stored_predictions, stripes
from tests.helpers.runs import Outcome, cli
from zoo import registry


@pytest.fixture(autouse=True)
def freed_memory_goes_back() -> None:
    """Trainings of earlier tests told the C library to keep what they free (`zoo.cpu.keep_freed_memory`).

    One process runs them all: without this, it ends with the memory of the largest network and of what lies between.
    """
    getattr(ctypes.CDLL(None), "malloc_trim", lambda kept: None)(0)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Three classes of stripes: 192 train, 60 val and 60 test images of 16 by 16."""
    splits = {"train": stripes(192, seed=0), "val": stripes(60, seed=1), "test": stripes(60, seed=2)}
    return assemble(splits, ("across", "down", "checkers"), "generated")


@pytest.fixture
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data."""
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process draw nothing: most of the time of a small one."""
    monkeypatch.setattr("benchmarks.pipeline.figures.begin", lambda results, folder, jobs, fresh: list)


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process draw what the digits run draws."""
    draw_one_figure(monkeypatch)


def draw_one_figure(patch: pytest.MonkeyPatch) -> None:
    """Have runs in this process draw the first figure alone: it stands for all, which have tests of their own."""
    every = figures.charts

    def charts(*known: Any) -> dict[str, Any]:
        return {name: chart if name == "benchmark" else None for name, chart in every(*known).items()}

    patch.setattr(figures, "charts", charts)


@pytest.fixture
def faces() -> Targets:
    """Random targets with FER2013's classes: 70 of val, 84 of test."""
    random = np.random.default_rng(0)
    return Targets(random.integers(0, 7, 70), random.integers(0, 7, 84), "f" * 32, FACES, train_size=500)


@pytest.fixture
def stored_results(tmp_path: Path, faces: Targets) -> Path:
    """A results folder that holds random predictions of three members of fer2013, one of them with a second seed."""
    store = PredictionStore(tmp_path / "results" / "fer2013" / "predictions")
    save_targets(store.folder, faces)
    for name, seed, skill in (
        ("vgg_fer", 0, 2.0),
        ("resnet18", 0, 1.5),
        ("mini_xception", 0, 1.0),
        ("vgg_fer", 1, 1.9),
    ):
        stored_predictions(store, faces, name, seed=seed, skill=skill)
    return tmp_path / "results"


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The results folder of one whole run of the digits suite, every member trained, one figure drawn, and what the run
    said.

    It is for reading. Processes that share the tests (pytest-xdist) share the run: the first that asks makes it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    results, said = folder / "digits" / "results", folder / "digits.json"
    with FileLock(folder / "digits.lock"):
        if not said.exists():
            with pytest.MonkeyPatch.context() as patch:
                draw_one_figure(patch)
                outcome = cli("--suite", "digits", "--results", results, "--device", "cpu", "--train", "missing")
            said.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    return results, Outcome(**json.loads(said.read_text(encoding="utf-8")))


@pytest.fixture
def add_member(monkeypatch: pytest.MonkeyPatch) -> Callable[[registry.Member], None]:
    """Adds members to the registry for one test."""

    def add(member: registry.Member) -> None:
        known = {**registry.members(), member.name: member}
        monkeypatch.setattr(registry, "members", lambda: known)

    return add

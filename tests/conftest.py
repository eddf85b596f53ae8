"""What several test files share: tiny data, stored predictions, and ways to run the command line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here or in a subprocess: the same sums everywhere

import benchmark
from benchmarks.data import Dataset, Split
from benchmarks.data.fingerprint import assemble
from benchmarks.identity import Configuration
from benchmarks.predictions import Predictions, Store
from benchmarks.targets import Targets
from zoo import registry

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 900  # seconds a subprocess may take, on however busy a machine

FACES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PROVENANCE: dict[str, Any] = {
    "device": "abacus",
    "device_kind": "cpu",
    "cpu_cores": 1,
    "train_seconds": 12.5,
    "images_per_second": 1000.0,
    "best_epoch": 2,
    "params": 10,
    "macs": 100,
    "tta": "flip",
    "reference": "arXiv:0000.00000",
    "code": "0123456789ab",
    "created": "2024-01-01",
}
HISTORY = [{"epoch": 1, "val_accuracy": 0.25}, {"epoch": 2, "val_accuracy": 1 / 3}]


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str


def cli(*arguments: object) -> Outcome:
    """Runs benchmark.main in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = benchmark.main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def python(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process of its own."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)


def stripes(count: int, seed: int, size: int = 16) -> Split:
    """Noisy images of three classes: stripes across, stripes down, and a checkerboard, all at random offsets."""
    random = np.random.default_rng(seed)
    targets = np.arange(count, dtype=np.int64) % 3
    offsets = random.integers(0, 4, (2, count, 1, 1))
    down, across = (np.arange(size)[:, None] + offsets[0]) // 2 % 2, (np.arange(size) + offsets[1]) // 2 % 2
    patterns = np.stack([down + 0 * across, across + 0 * down, down ^ across])
    ideal = patterns[targets, np.arange(count)] * 150 + 50
    images = np.clip(ideal + random.normal(0, 20, ideal.shape), 0, 255).astype(np.uint8)[:, None]
    return Split(images, targets, [str(row) for row in range(count)])


def stored_predictions(
    store: Store, targets: Targets, name: str, *, seed: int = 0, skill: float = 1.0, **changes: Any
) -> Predictions:
    """Random logits of a registered member, better with more `skill`, in the store."""
    configuration = Configuration(registry.get(name), seed, targets.fingerprint, len(targets.classes))
    random = np.random.default_rng([seed, *name.encode()])
    classes = len(targets.classes)
    val, test = (
        (skill * np.eye(classes)[truth] + random.normal(size=(len(truth), classes))).astype(np.float32)
        for truth in (targets.val, targets.test)
    )
    return store.save(Predictions(configuration, val, test, {**PROVENANCE, **changes}), HISTORY)


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
    monkeypatch.setattr("benchmarks.leaderboard.figures.draw", lambda results, folder, jobs: [])


@pytest.fixture
def faces() -> Targets:
    """Random targets with FER2013's classes: 70 of val, 84 of test."""
    random = np.random.default_rng(0)
    return Targets(random.integers(0, 7, 70), random.integers(0, 7, 84), "f" * 32, FACES, train_size=500)


@pytest.fixture
def stored_results(tmp_path: Path, faces: Targets) -> Path:
    """A results folder that holds random predictions of three members of fer2013, one of them with a second seed."""
    store = Store(tmp_path / "results" / "fer2013" / "predictions")
    store.save_targets(faces)
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
    """The results folder of one whole run of the digits suite, every member trained, and what the run said."""
    results = tmp_path_factory.mktemp("digits") / "results"
    return results, cli("--suite", "digits", "--results", results, "--device", "cpu", "--train", "missing")


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but locks, by its relative path."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def add_member(monkeypatch: pytest.MonkeyPatch) -> Callable[[registry.Member], None]:
    """Adds members to the registry for one test."""

    def add(member: registry.Member) -> None:
        known = {**registry.members(), member.name: member}
        monkeypatch.setattr(registry, "members", lambda: known)

    return add

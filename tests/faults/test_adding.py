"""Models that are added by several processes at once, and by one that is killed: no other's model is ever lost."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.external.importer import Details, add
from benchmarks.files import remove_drafts
from benchmarks.session import Options, Session
from benchmarks.store.external_members import external_files
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import FACES
from tests.helpers.runs import files

pytestmark = [
    pytest.mark.usefixtures("nowhere_else"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that begin where this one is"),
]

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
NAME = "mine"


@pytest.fixture(scope="module", autouse=True)
def imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Adds a model once, so that no child has to import what that takes."""
    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BENCHMARK_DATA", raising=False)
        patch.setenv("BENCHMARK_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        added(write_results(folder), 0)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path)


def write_results(folder: Path) -> Path:
    """A results folder with the targets of 300 and 330 images, and three files of predictions beside it."""
    random = np.random.default_rng(5)
    shares = (0.13, 0.02, 0.14, 0.25, 0.18, 0.11, 0.17)
    val, test = (random.choice(7, count, p=shares) for count in (300, 330))
    rows = np.arange(700, 1330, dtype=np.int32)
    targets = Targets(val, test, "f" * 32, FACES, 700, rows[:300], rows[300:])
    save_targets(folder / "results" / "fer2013" / "predictions", targets)
    for number in range(3):
        noise = np.random.default_rng(number)
        logits: dict[str, Any] = {
            split: 1.7 * np.eye(7)[truth] + noise.normal(size=(len(truth), 7))
            for split, truth in (("val", val), ("test", test))
        }
        np.savez(folder / f"{number}.npz", allow_pickle=False, **logits)
    return folder / "results"


def added(results: Path, number: int, replace: bool = False) -> str:
    details = Details(name=NAME, replace=replace)
    session = Session(Options(results=results), adding=[NAME])
    return add(session, results.parent / f"{number}.npz", details)


def in_processes(*work: Callable[[], Any]) -> list[str]:
    """What each process answers, its error or `killed`; all begin at once."""
    assert FORK is not None
    barrier, answers = FORK.Barrier(len(work)), FORK.SimpleQueue()

    def run(job: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            job()
            answers.put("added")
        except ValueError as error:
            answers.put(str(error))

    processes = [FORK.Process(target=run, args=(job,)) for job in work]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [("killed" if answers.empty() else answers.get()) for _ in processes]


def models(results: Path) -> list[Path]:
    return external_files(PredictionStore(results / "fer2013" / "predictions"))


@pytest.mark.parametrize("attempt", range(5))
def test_of_three_processes_that_add_one_name_the_first_keeps_it(results: Path, attempt: int):
    answers = in_processes(*(lambda number=number: added(results, number) for number in range(3)))
    assert sorted(answers) == [
        "added",
        *[f"an external model '{NAME}' is there already: --replace puts this one in its place"] * 2,
    ]
    assert len(models(results)) == 1


def test_with_replace_the_last_one_stays_alone(results: Path):
    added(results, 0)
    assert in_processes(*(lambda number=number: added(results, number, True) for number in (1, 2))) == ["added"] * 2
    assert len(models(results)) == 1


def test_the_same_command_again_changes_nothing(results: Path):
    added(results, 0)
    before = files(results)
    added(results, 0)
    assert files(results) == before


@pytest.mark.parametrize("replace", [False, True])
def test_after_a_kill_at_any_moment_the_same_command_succeeds(
    results: Path, replace: bool, monkeypatch: pytest.MonkeyPatch
):
    """Killed before the first, second, ... change of a name in the folder, until it gets through."""
    if replace:
        added(results, 1)
    for steps in range(20):
        with monkeypatch.context() as patched:
            for call in ("replace", "unlink", "fsync"):
                patched.setattr(os, call, _deadly(getattr(os, call), steps))
            answers = in_processes(lambda: added(results, 0, replace))
        assert replace or answers == ["added"] or len(models(results)) <= 1
        if answers == ["added"]:
            break
        assert answers == ["killed"]
        if steps % 2:  # the same command again
            added(results, 0, replace)
            assert len(models(results)) == 1
            if replace:
                added(results, 1, True)
            else:
                for path in models(results):
                    path.unlink()
    assert answers == ["added"] and steps > 1
    remove_drafts(results / "fer2013" / "predictions")
    assert len(models(results)) == 1
    assert not list((results / "fer2013" / "predictions").glob(".*.draft"))


def _deadly(call: Callable[..., Any], steps: int) -> Callable[..., Any]:
    """A function that ends the process when it is called for the time after so many."""
    parent, calls = os.getpid(), _CALLS

    def deadly(*arguments: Any, **options: Any) -> Any:
        if os.getpid() != parent:
            calls.append(1)
            if len(calls) > steps:
                os._exit(9)
        return call(*arguments, **options)

    return deadly


_CALLS: list[int] = []  # of a child, which begins with none: its parent never adds to it

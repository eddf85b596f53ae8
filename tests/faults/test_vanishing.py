"""Predictions that another process removes between their listing and their reading: no command crashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.external.importer import Details, add
from benchmarks.session import Options, Session
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.runs import Outcome, cli

RUN = ("--suite", "fer2013", "--train", "never", "--ensemblers", "uniform", "best_single")

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


@pytest.fixture
def model(stored_results: Path, faces: Targets, tmp_path: Path) -> Path:
    """The file of an external model, in a store of three members; `tmp_path` holds another's predictions, new.npz."""
    first, last = faces.train_size, faces.train_size + len(faces.val)
    val_rows, test_rows = np.arange(first, last), np.arange(last, last + len(faces.test))
    numbered = replace(faces, val_rows=val_rows, test_rows=test_rows)
    save_targets(stored_results / "fer2013" / "predictions", numbered)
    for seed, name in enumerate(("mine", "new")):
        random = np.random.default_rng(seed)
        logits: dict[str, Any] = {
            split: 1.5 * np.eye(7)[truth] + random.normal(size=(len(truth), 7))
            for split, truth in (("val", faces.val), ("test", faces.test))
        }
        np.savez(tmp_path / f"{name}.npz", allow_pickle=False, **logits)
    added(stored_results, tmp_path / "mine.npz")
    return next((stored_results / "fer2013" / "predictions").glob("mine.*.safetensors"))


def added(results: Path, file: Path) -> Outcome:
    """What the command does before it runs the suite."""
    name = file.stem
    return Outcome(0, add(Session(Options(results=results), adding=[name]), file, Details(name=name, replace=True)), "")


def removed_before(reading: int, path: Path, patch: pytest.MonkeyPatch) -> list[Path]:
    """Remove a file just before it is opened for the time of that number; return the times that it was asked for."""
    asked: list[Path] = []

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def read(self: Path, *arguments: Any, **options: Any) -> Any:
            if self == path:
                asked.append(self)
                if len(asked) == reading:
                    path.unlink()
            return call(self, *arguments, **options)

        return read

    for name in ("open", "read_bytes"):
        patch.setattr(Path, name, counted(getattr(Path, name)))
    return asked


@pytest.mark.parametrize("command", ["run", "check", "compare", "add"])
def test_a_command_goes_on_without_it_or_says_what_is_gone(
    command: str, model: Path, stored_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = partial(cli, *RUN, "--fresh", "--results", stored_results)
    done = {
        "run": run,
        "check": partial(cli, "check", stored_results),
        "compare": partial(cli, "compare", stored_results, stored_results, "--suite", "fer2013", *RUN[-3:]),
        "add": partial(added, stored_results, tmp_path / "new.npz"),
    }[command]
    if command == "compare":
        assert run().code == 0
    content = model.read_bytes()
    for reading in range(1, 20):
        model.write_bytes(content)
        with monkeypatch.context() as patched:
            asked = removed_before(reading, model, patched)
            outcome = done()
        gone = f"{model.name}: is not there, or no longer" in outcome.out + outcome.err
        assert outcome.code == (2 if gone and command in ("check", "compare") else 0), outcome.err
        if len(asked) < reading:
            break
    assert reading > 1 and model.exists() and not gone

"""Command lines and functions in processes of their own that need not import everything anew: forks of one that has."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.runs import PATIENCE

IMPORTED = ["benchmark", "benchmarks.pipeline", "sklearn.datasets", "zoo.training.loop", "torch._dynamo"]
"""What takes seconds to import, and starts no thread: torch takes its compiler with the first optimizer."""


@dataclass(frozen=True)
class WarmRun:
    """A command line or function that runs, and the file of what it says."""

    process: multiprocessing.process.BaseProcess
    says: Path

    def ended(self) -> str:
        """Wait for it, and return what it said; fails where it did."""
        self.process.join(PATIENCE)
        said = self.says.read_text(encoding="utf-8")
        assert self.process.exitcode == 0, said
        return said


def begin(says: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> WarmRun:
    """Start the command line, but for its reports, in an environment; it says each epoch, however short."""
    return begin_function(says, _command_line, arguments, dict(environment))


def begin_function(says: Path, function: Callable[..., None], *arguments: object) -> WarmRun:
    """Start a function of a module, which fails where it raises."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_told, args=(says, function, arguments))
    process.start()
    return WarmRun(process, says)


def _told(says: Path, function: Callable[..., None], arguments: tuple[object, ...]) -> None:
    with says.open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        try:
            function(*arguments)
        except Exception:
            traceback.print_exc()
            sys.exit(1)


def _command_line(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    import benchmark
    from benchmarks import pipeline
    from benchmarks.execution.progress import LogProgress

    LogProgress.PAUSE = -1.0
    pipeline.report = lambda session, results, began_with: None
    sys.exit(benchmark.main(list(arguments)))

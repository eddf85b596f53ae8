"""A process that trains one member at a time for another, and stops when that one says so or is gone.

It imports torch when the first member comes, on the cores it was given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from benchmarks.execution.executor import execute, reason, train_context
from benchmarks.execution.progress import NullProgress
from benchmarks.session import Options, Session
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions

if TYPE_CHECKING:
    from zoo.training.job import Progress

ORPHANED = "the process that asked for it is gone"


@dataclass(frozen=True)
class Job:
    """What a worker is sent: a member on the data of one fold."""

    configuration: Configuration
    fold: int
    compiled: bool = False


@dataclass(frozen=True)
class Failed:
    """What a worker answers where it has no predictions; `reason` is one line."""

    reason: str


Answer = Predictions | Failed  # comes after any number of Progress


def work(connection: Connection, options: Options, cores: Sequence[int]) -> None:
    """Answer each Job that comes, until the other end closes; a text that comes during one is a reason to stop."""
    pin_cores(cores)
    session = Session(options)
    with suppress(EOFError, ConnectionError):
        while True:
            job = connection.recv()
            if not isinstance(job, Job):  # a reason to stop that came when all was done
                continue
            connection.send(_answer(job, session, _Line(connection)))


def pin_cores(cores: Sequence[int]) -> None:
    """Keep to these cores, one thread each."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    import torch

    torch.set_num_threads(len(cores))


class _Line(NullProgress):
    """The way to the one who asked: progress goes there, reasons to stop come from there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reason: str | None = None

    def progress(self, progress: Progress, label: str = "") -> None:
        with suppress(ConnectionError):  # before the next step `stop` sees that nobody listens
            self._connection.send(progress)

    def stop(self) -> str | None:
        if self._reason is None and self._connection.poll():
            try:
                self._reason = self._connection.recv()
            except (EOFError, ConnectionError):
                self._reason = ORPHANED
        return self._reason


def _answer(job: Job, session: Session, line: _Line) -> Answer:
    fold = session.folds[job.fold]
    try:
        context = replace(train_context(session, line.stop, line), compiled=job.compiled)
        with fold.images() as dataset:
            if dataset.fingerprint != job.configuration.data:
                return Failed("the images have changed since the run began; start it anew")
            return execute(session, fold, job.configuration, context)
    except Exception as error:  # one member must not cost the others their result
        return Failed(reason(error))

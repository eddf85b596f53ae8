"""A worker process: it joins a Dask scheduler, trains what it is handed, and leaves when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING

from benchmarks.execution.slots import Slot, pin
from benchmarks.execution.stopping import LEAVE_SIGNALS

if TYPE_CHECKING:
    from distributed import Worker

LEFT, NO_SCHEDULER, SCHEDULER_LOST = 0, 3, 4
"""Exit codes of a worker process."""

GLANCE = 0.05  # seconds between two looks whether the training that was told to stop has ended


@dataclass(frozen=True)
class Meeting:
    """Where workers meet the runs: the scheduler's address, and for how many seconds to wait for it.

    `scratch` is a folder for temporary files, `host` the address of the interface on which a worker listens (None: that
    from which it reaches the scheduler).
    """

    address: str
    patience: float = 60.0
    scratch: str | None = None
    host: str | None = None


def serve(slot: Slot, meeting: Meeting, joined: Event) -> None:
    """Be a worker on a slot, in a process of its own, until told to leave; end with one of the exit codes.

    Where the scheduler is lost, the training of now goes on to its end and is stored first.
    """
    pin(slot)
    _hear_signals()
    sys.exit(asyncio.run(_serve(meeting, joined)))


def _hear_signals() -> None:
    """End at once on a signal, as nothing has begun yet; Ctrl-C is for the process that started this one.

    Signals are held back where a process is started (crew.py).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in LEAVE_SIGNALS:
        signal.signal(number, lambda number, frame: os._exit(LEFT))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, *LEAVE_SIGNALS})


async def _serve(meeting: Meeting, joined: Event) -> int:
    from concurrent.futures import ThreadPoolExecutor

    from distributed import Worker

    from benchmarks.execution import trainer
    from benchmarks.execution.connection import LOOPBACK, protocol, security
    from benchmarks.execution.quiet import quiet

    quiet()
    facts = trainer.announced()
    worker = Worker(
        meeting.address,
        nthreads=1,
        memory_limit=0,
        executor=ThreadPoolExecutor(1),  # Dask's own lets go of a training half a minute after the scheduler is lost
        local_directory=meeting.scratch,
        death_timeout=meeting.patience,
        protocol=protocol(),
        security=security(),
        host=meeting.host,
        dashboard=False,
        dashboard_address=f"{LOOPBACK}:0",
        startup_information={"trainer": lambda worker: facts},
        metrics={"training": lambda worker: trainer.training()},
    )
    told = asyncio.Event()

    def leave() -> None:
        if not joined.is_set():
            os._exit(LEFT)  # nothing has begun
        if not told.is_set():
            told.set()
            trainer.leave()
            leaving.append(asyncio.ensure_future(_close_when_free(worker, trainer.training)))

    leaving: list[asyncio.Future[None]] = []
    _listen(leave)
    try:
        await worker
    except OSError:
        return NO_SCHEDULER
    joined.set()
    await worker.finished()
    return LEFT if told.is_set() else SCHEDULER_LOST


def _listen(leave: Callable[[], None]) -> None:
    """Call `leave` when a signal comes, or the process that started this one is gone."""
    if sys.platform == "win32":  # whose event loop knows neither
        return
    loop = asyncio.get_running_loop()
    for number in LEAVE_SIGNALS:
        loop.add_signal_handler(number, leave)
    parent = parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def orphaned() -> None:
            loop.remove_reader(sentinel)
            leave()

        loop.add_reader(sentinel, orphaned)


async def _close_when_free(worker: Worker, training: Callable[[], str]) -> None:
    """Close a worker when what it trains has saved its state and said so."""
    while training():
        await asyncio.sleep(GLANCE)
    await worker.close(reason="told to leave")

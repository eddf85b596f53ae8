"""Worker processes of one machine: one a slot, started anew where one is lost, told to leave all together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

from benchmarks.execution.serving import Meeting, serve
from benchmarks.execution.slots import Slot, inherited
from benchmarks.execution.stopping import signals_held_back


class Crew:
    """Worker processes on these slots; `watch` sees to it that they live, until all have ended."""

    def __init__(self, slots: Sequence[Slot], meeting: Meeting) -> None:
        self._meeting, self._context = meeting, get_context("spawn")  # a fork would take along what CUDA holds here
        self._ending, self._lock = False, threading.RLock()  # a signal may come while it is held
        self._processes: dict[BaseProcess, tuple[Slot, Event]] = {}
        self._slots = list(slots)

    def start(self) -> None:
        """Start a process a slot."""
        for slot in self._slots:
            self._start(slot)

    def watch(self) -> set[int | None]:
        """Start anew whatever ends unasked, or was asked alone; return the exit codes when all have ended.

        A process that never met its scheduler is not started again: it would fail again.
        """
        codes: set[int | None] = set()
        while living := dict(self._processes):
            ended = wait([process.sentinel for process in living])
            for process, (slot, joined) in living.items():
                if process.sentinel in ended:
                    process.join()
                    with self._lock:
                        del self._processes[process]
                    if not (joined.is_set() and self._start(slot)):
                        codes.add(process.exitcode)
        return codes

    def leave(self) -> None:
        """Have all save their states and end."""
        with self._lock:
            self._ending = True
            for process in self._processes:
                process.terminate()

    def kill(self) -> None:
        """End all at once: a free one has nothing to lose, another what came after its last checkpoint."""
        with self._lock:
            self._ending = True
            for process in self._processes:
                process.kill()

    def _start(self, slot: Slot) -> bool:
        """Start a process on a slot, unless all are ending."""
        joined = self._context.Event()
        process = self._context.Process(target=serve, args=(slot, self._meeting, joined))
        with self._lock:
            if self._ending:
                return False
            with inherited(slot), signals_held_back():
                process.start()
                self._processes[process] = (slot, joined)
        return True

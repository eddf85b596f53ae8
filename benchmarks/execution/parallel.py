"""Several members trained at once, each in a process of its own, where one alone leaves the device idle.

The processes share a card, and divide the cores: each keeps to its own, one thread a core, so that a member gets the
numbers that it gets alone with so many threads. (With another number of threads, sums are taken in another order.) Each
holds its own copy of the images, which are bytes: 83 MB of FER2013.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal

from benchmarks.execution.executor import NOT_STARTED, Outcomes
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.queue import TaskQueue
from benchmarks.execution.stopping import INTERRUPT, interrupted
from benchmarks.execution.tasks import Task
from benchmarks.execution.train import outcome
from benchmarks.execution.worker import Answer, Failed, Job, work
from benchmarks.session import Options, Session
from benchmarks.store.predictions import Predictions

AUTOMATIC = {"cpu": 1, "cuda": 4}
"""Processes for `auto`: threads of one training fill the cores, and one small network leaves most of a card idle."""

LOOK = 0.2  # seconds between two looks at the reasons to stop
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # read when the libraries are loaded


def workers(asked: int | Literal["auto"], device: str, members: int) -> int:
    """Return how many processes are of use for so many members; 1 says to train in this one."""
    return max(1, min(AUTOMATIC[device] if asked == "auto" else asked, members))


def shares(cores: Sequence[int], count: int) -> list[list[int]]:
    """Divide the cores among so many processes, equally, at least one each; where cores are fewer, processes share."""
    each = max(1, len(cores) // count)
    return [[cores[(worker * each + core) % len(cores)] for core in range(each)] for worker in range(count)]


def available() -> list[int]:
    """List the cores this process may use, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def train_in_parallel(
    session: Session, tasks: Sequence[Task], count: int, stop: Callable[[], str | None], display: NullProgress
) -> Outcomes:
    """Train in `count` processes; a reason from `stop` stops them all, their states saved. Raise Interrupted."""
    done: dict[str, Predictions] = {}
    failed: dict[str, str] = {}
    queue = TaskQueue(tasks, longest_first=session.options.time_budget is None)
    crew = [_Worker(session.options, cores) for cores in shares(available(), count)]
    try:
        while busy := _employed(crew, queue, stop(), display):
            for worker in _heard(busy):
                task, answer = worker.task, worker.hear(display)
                if task is None or answer is None:
                    continue
                if isinstance(answer, Failed):
                    failed[task.stem] = answer.reason
                    display.done(task.label, answer.reason)
                else:
                    done[task.stem] = answer
                    display.done(task.label, outcome(answer, task.fold.targets.val))
    finally:
        for worker in crew:
            worker.end()
    if stop() == INTERRUPT:
        stopped = [worker.stopped for worker in crew if worker.stopped]
        raise interrupted([task.label for task in stopped if task.stem in failed])
    return done, failed | {task.stem: NOT_STARTED for task in queue.waiting}


def _employed(crew: Sequence[_Worker], queue: TaskQueue, why: str | None, display: NullProgress) -> list[_Worker]:
    """Give each free worker the next task, or with a reason to stop tell all to; return those that have a task."""
    for worker in crew:
        if why:
            worker.stop(why)
        elif worker.task is None and (task := queue.next([busy.task for busy in crew if busy.task])):
            display.start(task.label)
            worker.give(task)
    return [worker for worker in crew if worker.task]


def _heard(busy: Sequence[_Worker]) -> list[_Worker]:
    """Return the workers that have something to say, or are gone; none after LOOK seconds."""
    ready = wait([worker.line for worker in busy], timeout=LOOK)
    return [worker for worker in busy if worker.line in ready]


class _Worker:
    """A process on its cores, started with its first task and anew where it was lost, seen from here."""

    def __init__(self, options: Options, cores: Sequence[int]) -> None:
        self._options, self._cores = options, cores
        self._process: BaseProcess | None = None
        self.line: Connection
        self.task: Task | None = None
        self.stopped: Task | None = None  # the task that was told to stop

    def give(self, task: Task) -> None:
        """Have the process begin with a task."""
        if self._process is None:
            context = get_context("spawn")  # a fork would take along what CUDA and OpenMP hold here
            self.line, theirs = context.Pipe()
            self._process = context.Process(target=work, args=(theirs, self._options, self._cores))
            with inherited(len(self._cores)):
                self._process.start()
            theirs.close()  # so that its end is seen
        self.task = task
        with suppress(ConnectionError):  # `hear` finds that it is gone
            self.line.send(Job(task.step.configuration, task.fold.index, task.step.execution.compiled))

    def hear(self, display: NullProgress) -> Answer | None:
        """Receive what it says: progress goes to the display, an answer ends the task and is returned."""
        assert self.task is not None
        try:
            said = self.line.recv()
        except (EOFError, ConnectionError):
            said = Failed(self._lost())
        if not isinstance(said, Answer):
            display.progress(said, self.task.label)
            return None
        self.task = None
        return said

    def stop(self, why: str) -> None:
        """Ask it, once, to save its state and to answer."""
        if self.task is not None and self.task is not self.stopped:
            self.stopped = self.task
            with suppress(ConnectionError):  # `hear` finds that it is gone
                self.line.send(why)

    def end(self) -> int | None:
        """End the process, and return its exit code; a free one has nothing to lose, another what came after its last
        checkpoint."""
        if self._process is None:
            return None
        self._process.kill()
        self._process.join()
        self.line.close()
        code, self._process = self._process.exitcode, None
        return code

    def _lost(self) -> str:
        assert self._process is not None
        self._process.join()
        advice = "out of memory, perhaps; the same command goes on from its last checkpoint"
        return f"its process ended with exit code {self.end()}: {advice}"


@contextmanager
def inherited(threads: int) -> Iterator[None]:
    """Have processes that are started meanwhile inherit so many threads of every library, and heed their parent alone.

    A terminal sends Ctrl-C to all of them, before they could say that it is the parent who answers it.
    """
    variables = {name: os.environ.get(name) for name in THREADS}
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name, value in variables.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}

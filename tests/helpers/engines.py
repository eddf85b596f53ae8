"""Schedulers and workers as real processes on the loopback interface, and members that give them trouble."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import load_file

from benchmarks.execution.engine import Engine
from benchmarks.execution.executor import Outcomes
from benchmarks.execution.parallel import train_in_parallel
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.tasks import Task, schedule
from benchmarks.session import Options, Session
from benchmarks.store.file_names import member_files
from tests.helpers.runs import PATIENCE, ROOT
from zoo.training.job import Progress

FEW, MANY = 3, 20  # epochs
SLOW, STEP = "SLOW", 0.04
"""While the file that this variable names is there, a step of `patient` or `queued` takes at least so many seconds."""
MEMBERS = f'''
import os
import time
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path

import torch
from torch import nn

from zoo.recipes import DIGITS, Labels
from zoo.registry import register

FEW, MANY = replace(DIGITS, epochs={FEW}), replace(DIGITS, epochs={MANY})
TRACE = Path(__file__).with_name("trace")


class Lost(nn.Flatten):
    """Takes its process along, where that is not the first one."""

    def forward(self, x):
        if self.training and parent_process():
            os._exit(9)
        return super().forward(x)


class Slow(nn.Flatten):
    """Takes its time while somebody asks for it."""

    def forward(self, x):
        if self.training and Path(os.environ.get("{SLOW}") or "/nowhere").exists():
            time.sleep({STEP})
        return super().forward(x)


class Greedy(nn.Flatten):
    """Finds no memory, once, while others are slow, and ends their slowness."""

    def forward(self, x):
        if self.training and Path(os.environ["{SLOW}"]).exists():
            Path(os.environ["{SLOW}"]).unlink()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(x)


def network(num_classes, in_chans, image_size, first):
    flat = in_chans * image_size**2
    return nn.Sequential(first, nn.Linear(flat, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, num_classes))


@register(recipe=replace(FEW, labels=Labels(teacher="teacher")), image_size=8, reference="none")
def student(*about):
    """Learns from the one below"""
    return network(*about, nn.Flatten())


@register(recipe=FEW, image_size=8, reference="none")
def teacher(*about):
    """One hidden layer"""
    return network(*about, nn.Flatten())


@register(recipe=FEW, image_size=8, reference="none")
def broken(*about):
    """Cannot be built"""
    raise RuntimeError("a wheel is missing")


@register(recipe=FEW, image_size=8, reference="none")
def lost(*about):
    """Is lost with its process"""
    return network(*about, Lost())


@register(recipe=MANY, image_size=8, reference="none")
def patient(*about):
    """Takes its time"""
    return network(*about, Slow())


@register(recipe=FEW, image_size=8, reference="none")
def greedy(*about):
    """Wants a card alone"""
    return network(*about, Greedy())


@register(recipe=MANY, image_size=8, reference="none")
def queued(*about):
    """Comes after it"""
    return network(*about, Slow())


@register(recipe=FEW, image_size=8, reference="none")
def spare(*about):
    """Comes last"""
    return network(*about, nn.Flatten())
'''


def wait_until(met: Callable[[], object], what: str) -> None:
    """Wait until a condition is met, on however busy a machine."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.02)


@contextmanager
def running(module: str, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python module as a process; a signal ends it with the block, and if that is not heeded another does."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


@contextmanager
def scheduler(folder: Path, *arguments: object, **environment: str) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A scheduler on a free port, and the file with its address."""
    file = folder / "scheduler.json"
    with running("benchmarks.execution.scheduler", "--port", 0, "--file", file, *arguments, **environment) as process:
        wait_until(lambda: file.exists() or process.poll() is not None, "a scheduler starts")
        yield file, process


def workers(scheduler: object, *arguments: object, **environment: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Workers of one thread each, on no card."""
    module = "benchmarks.execution.worker"
    return running(module, scheduler, "--threads", 1, "--device", "cpu", *arguments, **environment)


def address(file: Path) -> str:
    return str(json.loads(file.read_text())["address"])


class Witness(NullProgress):
    """Remembers what is shown, and does something when a member has come so far."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.seen: list[tuple[str, Progress]] = []
        self.when: Callable[[str, Progress], bool] = lambda label, progress: False
        self.does: Callable[[], object] = lambda: None

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, progress: Progress, label: str = "") -> None:
        self.seen.append((label, progress))
        if self.when(label, progress):
            self.when = lambda label, progress: False
            self.does()

    def once(self, when: Callable[[str, Progress], bool], does: Callable[[], object]) -> None:
        """Does something, once, when this is so."""
        self.when, self.does = when, does


def options(zoo: Path, results: Path, *members: str) -> Options:
    return Options(
        "digits",
        members,
        (str(zoo),),
        ("uniform",),
        results=results,
        device="cpu",
        train="missing",
        checkpoint_every=0,
    )


def tasks_of(session: Session) -> list[Task]:
    return [task for row in schedule(session)[0] for task in row]


def train(
    asked: Options, engine: Engine, shown: Witness, stop: Callable[[], str | None] = lambda: None
) -> tuple[Outcomes, list[Task]]:
    """Train on an engine; return what came out, and the tasks."""
    session = Session(replace(asked))
    tasks = tasks_of(session)
    session.keep_targets()
    return train_in_parallel(session, tasks, engine, stop, shown), tasks


def pid_of(engine: Engine, stem: str) -> int:
    """The process that trains it."""
    (worker,) = [worker for worker, order in engine.orders.items() if order.configuration.stem == stem]
    return engine.facts[worker].pid


def predictions(results: Path, member: str) -> dict[str, bytes]:
    (path,) = member_files(results / "digits" / "predictions", member)
    return {name: array.tobytes() for name, array in load_file(path).items()}

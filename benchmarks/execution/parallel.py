"""Members trained at once by the workers of an engine: who gets which, and what becomes of one whose worker is lost."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from itertools import count

from benchmarks.execution.engine import Engine, Said
from benchmarks.execution.executor import LOOK, NOT_STARTED, Outcomes
from benchmarks.execution.placement import Placement
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.queue import TaskQueue
from benchmarks.execution.sharing import Turns, claims_of
from benchmarks.execution.stopping import END_OF_RUN, interrupted
from benchmarks.execution.tasks import Task
from benchmarks.execution.train import outcome
from benchmarks.execution.trainer import Order, options_for_workers, sources_of
from benchmarks.session import Session
from benchmarks.store.claims import Claims
from benchmarks.store.predictions import Predictions
from zoo.training.job import Progress

LOSSES = 3
"""Workers that may be lost with one member in training: what takes along as many is its own doing."""
ARRIVES = 30.0  # seconds that a file may take from one machine to another on a shared disk


def train_in_parallel(
    session: Session, tasks: Sequence[Task], engine: Engine, stop: Callable[[], str | None], display: NullProgress
) -> Outcomes:
    """Train on the workers of an engine; a reason from `stop` stops all of them, their states saved.

    Raises Interrupted, and EngineLost.
    """
    why: str | None = None
    with claims_of(session) as claims:
        trainings = _Trainings(session, tasks, engine, display, claims)
        while True:
            if why is None and (why := stop()):
                trainings.stop(why)
            if why is None:
                trainings.hand_out()
            if not trainings.running and (why or not trainings.queue.waiting):
                break
            for said in engine.next(LOOK):
                trainings.hear(said)
    if why in END_OF_RUN:
        raise interrupted([task.label for task in trainings.stopped if task.stem in trainings.failed], why)
    return trainings.done, trainings.failed | {task.stem: NOT_STARTED for task in trainings.queue.waiting}


class _Trainings:
    """The members in training and those that wait, by what the engine says of them."""

    def __init__(
        self, session: Session, tasks: Sequence[Task], engine: Engine, display: NullProgress, claims: Claims
    ) -> None:
        self.queue = TaskQueue(tasks, longest_first=session.options.time_budget is None)
        self.running: dict[str, Task] = {}  # by the key of the order
        self.done: dict[str, Predictions] = {}
        self.failed: dict[str, str] = {}
        self.stopped: list[Task] = []  # those that were told to
        self._session, self._engine, self._display, self._claims = session, engine, display, claims
        self._turns = Turns(session, self.queue, claims, display.note)
        self._placement = Placement(engine, session.device, display)
        self._options = options_for_workers(session.options, session.device)
        self._sources = sources_of(session.options)
        self._numbers, self._shown = count(1), set[str]()
        self._lost: defaultdict[str, list[str]] = defaultdict(list)  # hosts of lost workers, by the member's stem
        self._answers = {"done": self._done, "left": self._left, "lost": self._again, "memory": self._memory}

    def hand_out(self) -> None:
        """Give every free worker a member: the fastest worker the member that takes longest."""
        self._placement.look()
        for worker, stem in self._placement.meant():
            task = self.queue.next(list(self.running.values()), partial(_is_of, stem))
            if task and self._turns.claim(task):
                self._give(worker, task)
        postponed = []
        while self._placement.free and (task := self.queue.next(list(self.running.values()))):
            if not self._turns.claim(task):
                continue
            if fastest := self._placement.worker_for(task.stem):
                self._give(fastest, task)
            else:
                postponed.append(task)
        for task in reversed(postponed):
            self.queue.again(task)

    def hear(self, said: Said) -> None:
        """Show how far a training is, or take its answer."""
        task, kind = self.running[said["key"]], said["kind"]
        if kind == "note":
            self._display.note(said["text"])
        elif kind == "progress":
            self._display.progress(_progress(said), task.label)
        elif kind != "begun":
            del self.running[said["key"]]
            self._placement.answered(task.stem)
            self._claims.release(task.stem)
            self._answers.get(kind, self._failed)(task, said)

    def stop(self, why: str) -> None:
        """Ask all to stop; what comes then comes from those."""
        self.stopped = list(self.running.values())
        self._engine.ask(why)

    def _give(self, worker: str, task: Task) -> None:
        fold, execution = task.fold.index, task.step.execution
        configuration, key = task.step.configuration, f"{task.stem}-{next(self._numbers)}-{self._engine.run}"
        run, options, sources = self._engine.run, self._options, self._sources
        order = Order(run, key, options, sources, configuration, fold, execution.compiled)
        if task.stem not in self._shown:
            self._shown.add(task.stem)
            self._display.start(task.label)
        self.running[key] = task
        self._placement.give(worker, order)

    def _done(self, task: Task, said: Said) -> None:
        """Read what the worker has stored."""
        deadline = time.monotonic() + ARRIVES
        if self._session.mirror is not None:
            self._session.mirror.fetch_member(self._session.suite.name, task.stem)
        while (predictions := task.fold.load(task.step.configuration)) is None and time.monotonic() < deadline:
            time.sleep(LOOK)
        if predictions is None:
            where = self._session.store.folder
            self._failed(task, {"text": f"its predictions were stored by {said['host']}, and are not seen in {where}"})
            return
        self.done[task.stem] = predictions
        self._placement.learn(said["facts"], task.step.seconds, predictions)
        self._display.done(task.label, outcome(predictions, task.fold.targets.val))

    def _failed(self, task: Task, said: Said) -> None:
        self.failed[task.stem] = said["text"]
        self._display.done(task.label, said["text"])

    def _memory(self, task: Task, said: Said) -> None:
        """Hand out once more, to have a card alone, what found no memory beside others on one."""
        if self.stopped or not self._placement.may_have_card_alone(task.stem, said["facts"]):
            self._failed(task, said)
            return
        self._display.note(f"{task.label}: no memory on a shared card of {said['host']}; it waits to have it alone")
        self.queue.again(task)

    def _left(self, task: Task, said: Said) -> None:
        """Hand out again what a worker that had to leave has saved: the member is not to blame."""
        if self.stopped:
            self._failed(
                task, {"text": "its worker had to leave; its state is saved, and the command goes on from there"}
            )
        else:
            self.queue.again(task)

    def _again(self, task: Task, said: Said) -> None:
        """Hand out again what was lost with its worker, unless as much was lost with this member before."""
        lost = self._lost[task.stem]
        lost.append(said["host"])
        if len(lost) < LOSSES and not self.stopped:
            self._display.note(
                f"{task.label}: its worker on {said['host']} is lost; it goes on from its last checkpoint"
            )
            self.queue.again(task)
            return
        hosts = ", ".join(dict.fromkeys(lost))
        what = f"lost {len(lost)} workers ({hosts})" if len(lost) > 1 else f"lost its worker ({hosts})"
        advice = "out of memory, perhaps; the same command goes on from its last checkpoint"
        self._failed(task, {"text": f"{what}: {advice}"})


def _is_of(stem: str, task: Task) -> bool:
    return task.stem == stem


def _progress(said: Said) -> Progress:
    """Return how far a training is, as its worker said."""
    return Progress(**{field.name: said[field.name] for field in fields(Progress)})

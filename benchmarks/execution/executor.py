"""Carry out what a schedule asks for, one member after the other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.execution.cards import world_of
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.queue import TaskQueue
from benchmarks.execution.sharing import Turns, bring, claims_of, put
from benchmarks.execution.stopping import BUDGET_SPENT, END_OF_RUN, interrupted
from benchmarks.execution.tasks import Task
from benchmarks.execution.train import outcome, train_or_load
from benchmarks.fold import Fold
from benchmarks.provenance import device_name
from benchmarks.session import Session
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from zoo.training.job import PeerPredictions, TrainContext
from zoo.training.world import World

if TYPE_CHECKING:
    from zoo.pretrained.warm_start import WarmStart

Outcomes = tuple[dict[str, Predictions], dict[str, str]]
"""By the stem of its task: predictions, and of each that failed or had to stop, why."""

CHECKPOINT_EVERY, CHECKPOINT_EVERY_SHARED = 60.0, 300.0
"""Seconds between two checkpoints of a training, on a disk of its own, and on one that many trainings share."""

LOOK = 0.2  # seconds between two looks whether it is a member's turn
NOT_STARTED = f"not started: {BUDGET_SPENT}"


def train_serially(
    session: Session, tasks: Sequence[Task], stop: Callable[[], str | None], display: NullProgress
) -> Outcomes:
    """Train in this process, in the order of the tasks; raise Interrupted."""
    done: dict[str, Predictions] = {}
    failed: dict[str, str] = {}
    if session.options.threads:
        limit_threads(session.options.threads)
    context = train_context(session, stop, display)
    queue = TaskQueue(tasks, longest_first=False)
    with claims_of(session) as claims:
        turns = Turns(session, queue, claims, display.note)
        while queue.waiting:
            why = stop()
            if why in END_OF_RUN:
                raise interrupted([], why)
            if why == BUDGET_SPENT:
                return done, failed | {task.stem: NOT_STARTED for task in queue.waiting}
            task = queue.next(())
            if task is None or not turns.claim(task):
                time.sleep(LOOK)
                continue
            display.start(task.label)
            try:
                context = replace(context, compiled=task.step.execution.compiled)
                stored = turns.stored_meanwhile(task)
                done[task.stem] = stored or execute(session, task.fold, task.step.configuration, context)
                display.done(task.label, outcome(done[task.stem], task.fold.targets.val))
            except Exception as error:  # one member must not cost the others their result
                failed[task.stem] = reason(error)
                display.done(task.label, failed[task.stem])
            claims.release(task.stem)
            if (why := stop()) in END_OF_RUN:
                raise interrupted([task.label], why)
    return done, failed


def train_context(session: Session, stop: Callable[[], str | None], display: NullProgress) -> TrainContext:
    """Say where the session's trainings run, and who takes part in them."""
    every, mirror = session.options.checkpoint_every, session.mirror
    if every is None:
        every = CHECKPOINT_EVERY if mirror is None else CHECKPOINT_EVERY_SHARED
    return TrainContext(
        session.checkpoints,
        session.device,
        stop=stop,
        progress=display.progress,
        note=display.note,
        checkpoint_every=every,
        saved=_stays if mirror is None else mirror.put_state,
        place=place(session.device),
    )


def _stays(path: Path) -> None:
    """Leave a state where it was saved."""


def place(device: str) -> dict[str, Any]:
    """Describe where a training runs, for the record of its steps; the host's name is for checkpoints alone."""
    import torch

    return {"host": socket.gethostname(), "device": device_name(device), "threads": torch.get_num_threads()}


def execute(session: Session, fold: Fold, configuration: Configuration, context: TrainContext) -> Predictions:
    """Train or load one member on the data of a fold; raise what `train_or_load` raises, and DataError."""
    bring(session, configuration)
    with fold.images() as dataset:
        data = fold.training_data(configuration.member, dataset)
        context = replace(context, together=partial(_together, session, fold, configuration, context))
        retrain = session.options.train == "always"
        predictions = train_or_load(configuration, data, session.store, context, retrain=retrain)
    if put(session, configuration):
        return predictions
    context.note(f"{configuration.name}: another run has stored it first, and what that one says is used")
    return fold.load(configuration) or predictions


def _together(
    session: Session,
    fold: Fold,
    configuration: Configuration,
    context: TrainContext,
    peers: PeerPredictions,
    start: WarmStart | None,
) -> AbstractContextManager[World]:
    return world_of(session.options, fold, configuration, peers, start, context)


def limit_threads(count: int) -> None:
    """Have the trainings of this thread use so many; torch counts for each thread that asks."""
    import torch

    torch.set_num_threads(count)


def reason(error: Exception) -> str:
    """Say in one line why there are no predictions."""
    from zoo.training.loop import Stopped, TrainingDiverged

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Stopped):
        return f"{text}; its state is saved, and the command goes on from there"
    return text if isinstance(error, TrainingDiverged) else f"failed with {type(error).__name__}: {text}"

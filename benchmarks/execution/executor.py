"""Carry out what a schedule asks for, one member after the other."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.execution.progress import NullProgress
from benchmarks.execution.stopping import BUDGET_SPENT, END_OF_RUN, interrupted
from benchmarks.execution.tasks import Task
from benchmarks.execution.train import outcome, train_or_load
from benchmarks.fold import Fold
from benchmarks.provenance import device_name
from benchmarks.session import Session
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from zoo.training.job import TrainContext

Outcomes = tuple[dict[str, Predictions], dict[str, str]]
"""By the stem of its task: predictions, and of each that failed or had to stop, why."""

CHECKPOINT_EVERY, CHECKPOINT_EVERY_SHARED = 60.0, 300.0
"""Seconds between two checkpoints of a training, on a disk of its own, and on one that many trainings share."""

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
    for task in tasks:
        if stop() == BUDGET_SPENT:
            failed[task.stem] = NOT_STARTED
            continue
        display.start(task.label)
        try:
            compiled = replace(context, compiled=task.step.execution.compiled)
            done[task.stem] = execute(session, task.fold, task.step.configuration, compiled)
            display.done(task.label, outcome(done[task.stem], task.fold.targets.val))
        except Exception as error:  # one member must not cost the others their result
            failed[task.stem] = reason(error)
            display.done(task.label, failed[task.stem])
        if (why := stop()) in END_OF_RUN:
            raise interrupted([task.label], why)
    return done, failed


def train_context(session: Session, stop: Callable[[], str | None], display: NullProgress) -> TrainContext:
    """Say where the session's trainings run, and who takes part in them."""
    every = session.options.checkpoint_every
    return TrainContext(
        session.checkpoints,
        session.device,
        stop=stop,
        progress=display.progress,
        note=display.note,
        checkpoint_every=CHECKPOINT_EVERY if every is None else every,
        place=place(session.device),
    )


def place(device: str) -> dict[str, Any]:
    """Describe where a training runs, for the record of its steps; the host's name is for checkpoints alone."""
    import torch

    return {"host": socket.gethostname(), "device": device_name(device), "threads": torch.get_num_threads()}


def execute(session: Session, fold: Fold, configuration: Configuration, context: TrainContext) -> Predictions:
    """Train or load one member on the data of a fold; raise what `train_or_load` raises, and DataError."""
    with fold.images() as dataset:
        data = fold.training_data(configuration.member, dataset)
        retrain = session.options.train == "always"
        return train_or_load(configuration, data, session.store, context, retrain=retrain)


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

"""Carrying out what a schedule asks for, one member after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.execution.progress import NullProgress
from benchmarks.execution.stopping import BUDGET_SPENT, INTERRUPT, Interrupted
from benchmarks.execution.tasks import Task
from benchmarks.execution.train import outcome, train_or_load
from benchmarks.provenance import resolve_device
from benchmarks.session import Session
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from zoo.training.job import TrainContext

Outcomes = tuple[dict[str, Predictions], dict[str, str]]
"""By the stem of its task: predictions, and of each that failed or had to stop, why."""


def one_after_the_other(
    session: Session, tasks: Sequence[Task], stop: Callable[[], str | None], display: NullProgress
) -> Outcomes:
    """Trains in this process, in the order of the tasks; raises Interrupted."""
    found: dict[str, Predictions] = {}
    failed: dict[str, str] = {}
    for task in tasks:
        if stop() == BUDGET_SPENT:
            failed[task.stem] = NOT_STARTED
            continue
        display.start(task.label)
        try:
            found[task.stem] = execute(task.part, task.step.configuration, task.step.execution.compiled, stop, display)
            display.done(task.label, outcome(found[task.stem], task.part.targets.val))
        except Exception as error:  # one member must not cost the others their result
            failed[task.stem] = reason(error)
            display.done(task.label, failed[task.stem])
        if task.part is not session:
            task.part.release()
        if stop() == INTERRUPT:
            raise interrupted([task.label])
    return found, failed


NOT_STARTED = f"not started: {BUDGET_SPENT}"


def execute(
    part: Session, configuration: Configuration, compiled: bool, stop: Callable[[], str | None], display: NullProgress
) -> Predictions:
    """Predictions of one member on the data of `part`; raises what `obtain` raises."""
    device = resolve_device(part.options.device)
    context = TrainContext(part.folder / "checkpoints", device, compiled, stop, display.moment, display.note)
    data = part.lesson(configuration.member)
    return train_or_load(configuration, data, part.store, context, retrain=part.options.train == "always")


def reason(error: Exception) -> str:
    """Why there are no predictions, in one line."""
    from zoo.training.loop import Stopped, TrainingDiverged

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Stopped):
        return f"{text}; its state is saved, and the command goes on from there"
    return text if isinstance(error, TrainingDiverged) else f"failed with {type(error).__name__}: {text}"


def interrupted(labels: Sequence[str]) -> Interrupted:
    """What ends the run where the user asked for it while these were trained."""
    where, whose = f" in {' and '.join(labels)}" if labels else "", "its state" if len(labels) == 1 else "every state"
    return Interrupted(f"Interrupted{where}; {whose} is saved, the same command goes on from there.")

"""What is to be done for every member in every fold of a suite; a suite without folds has one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.data import DataError
from benchmarks.execution.hardware import HERE, Hardware, Here
from benchmarks.execution.plan import Step, decide, inspect
from benchmarks.fold import Fold
from benchmarks.formats import labels
from benchmarks.provenance import cpu_cores
from benchmarks.results.schema import NotRun
from benchmarks.session import Options, Session
from benchmarks.store.external_members import load_external, load_transferred
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import targets_path


@dataclass(frozen=True, eq=False)
class Task:
    """A step on the fold that it is about."""

    fold: Fold
    step: Step
    label: str

    @property
    def stem(self) -> str:
        """What identifies its predictions."""
        return self.step.configuration.stem


Row = list[Task]  # of one member and seed: a task a fold


def schedule(session: Session, place: Here = HERE) -> tuple[list[Row], list[str]]:
    """Plan a row of tasks, trained at that place, for each member and seed; also return notes on files that are not
    used.

    All folds of a member come before the next member: where time is short, few members are whole rather than none.
    Imports torch only where something is to be trained.
    """
    with session.store.listed_once():
        return _scheduled(session, place)


def _scheduled(session: Session, place: Here) -> tuple[list[Row], list[str]]:
    inspected = [inspect(session.configurations(fold), session.store, fold.targets) for fold in session.folds]
    notes = list(dict.fromkeys(chain.from_iterable(notes for _, notes in inspected)))
    if session.suite.gone(session.options.data):
        notes.append(f"{session.suite.title}: the folder is not there; this is rebuilt from stored predictions")
    notes += _of_the_same_images(session)
    by_member = list(zip(*(steps for steps, _ in inspected), strict=True))
    decided = iter(_decided(session, list(chain.from_iterable(by_member)), place))
    names = labels((steps[0].configuration.name, steps[0].configuration.seed) for steps in by_member)
    return [[_task(fold, next(decided), name) for fold in session.folds] for name in names], notes


def _of_the_same_images(session: Session) -> list[str]:
    """Name results that are of the same images and splits as a folder of one's own that has none yet: they are from
    before the folder was moved, or before results were called after its whole path."""
    if not session.suite.own or session.store.prediction_files():
        return []
    targets = targets_path(Path("predictions"), session.folds[0].targets.fingerprint)
    found = sorted(path.parent.parent for path in session.options.results.glob(f"{session.options.suite}-*/{targets}"))
    return [
        f"{folder} has results of the same images and splits: call it {session.folder.name} to go on with them"
        for folder in found
        if folder != session.folder
    ]


def _task(fold: Fold, step: Step, name: str) -> Task:
    return Task(fold, step, ", ".join(filter(None, (name, fold.place))))


def _decided(session: Session, steps: list[Step], place: Here) -> list[Step]:
    """Decide what will be trained in all folds, within one time budget."""
    options = session.options
    if options.train != "always" and all(step.stored for step in steps):
        return steps
    obstacle = _switched_off(session.options) or _obstacle(session, place)
    return decide(
        steps,
        session.store,
        mode=options.train,
        compiling=options.compiling,
        hardware=Hardware("cpu", cpu_cores()) if obstacle else place.hardware(session),
        train_size=session.folds[0].targets.train_size,
        time_budget=options.time_budget,
        obstacle=obstacle,
    )


def _switched_off(options: Options) -> str | None:
    """Say why the user's options keep every member from being trained, if so."""
    if options.source:
        return f"with --from {options.source} nothing is trained"
    return "training is switched off" if options.train == "never" else None


def _obstacle(session: Session, place: Here) -> str | None:
    """Say why nothing can be trained, if so; raise DataError where training was asked for in so many words."""
    fold = session.folds[0]
    try:
        fingerprint = place.fingerprint(session)
    except DataError:
        if session.options.train in ("missing", "always"):
            raise
        return "no data to train on"
    if fingerprint != fold.targets.fingerprint:
        return "the images found are not those the stored predictions are of; --data DIR says that they are meant"
    return None


def complete_members(rows: Sequence[Row], done: Mapping[str, Predictions], folds: int) -> list[list[Predictions]]:
    """List for each of so many folds the predictions of the members that have them in every fold."""
    complete = [row for row in rows if all(task.stem in done for task in row)]
    return [[done[row[fold].stem] for row in complete] for fold in range(folds)]


def not_run(
    session: Session, rows: Sequence[Row], done: Mapping[str, Predictions], failed: Mapping[str, str]
) -> list[NotRun]:
    """List the members that lack predictions in any fold, each with the first reason and the command for them."""
    missing = [[task for task in row if task.stem not in done] for row in rows]
    return [
        {
            "name": tasks[0].step.configuration.member.name,
            "seed": tasks[0].step.configuration.seed,
            "reason": _reason(tasks, failed),
            "command": _command(session, tasks[0].step),
        }
        for tasks in missing
        if tasks
    ]


def _reason(tasks: Sequence[Task], failed: Mapping[str, str]) -> str:
    first = tasks[0]
    reason = failed.get(first.stem, first.step.reason)
    folds = ", ".join(str(task.fold.index + 1) for task in tasks)
    return f"missing in {len(tasks)} of {first.fold.count} folds ({folds}): {reason}" if first.fold.place else reason


def _command(session: Session, step: Step) -> str:
    """Write the command that trains this member later."""
    zoo = f" --zoo {shlex.join(session.options.zoo)}" if session.options.zoo else ""
    return f"python benchmark.py {session.selection}{zoo} {step.command}"


def external_members(session: Session) -> tuple[list[list[Predictions]], list[str]]:
    """Load for each fold the models from elsewhere that have predictions in every fold; also return notes on files that
    are not used."""
    loaded = [_external_members(session, fold) for fold in session.folds]
    notes = list(dict.fromkeys(chain.from_iterable(notes for _, notes in loaded)))
    by_model = [{_model(predictions): predictions for predictions in models} for models, _ in loaded]
    everywhere = [model for model in by_model[0] if all(model in models for models in by_model)]
    return [[models[model] for model in everywhere] for models in by_model], notes


def _external_members(session: Session, fold: Fold) -> tuple[list[Predictions], list[str]]:
    """Load members from other suites first, then external models."""
    store, names = session.store, session.participants
    transferred, unusable = load_transferred(store, fold.targets, names.transferred)
    external, unreadable = load_external(store, fold.targets, names.external)
    return transferred + external, unusable + unreadable


def _model(predictions: Predictions) -> tuple[str, int | None]:
    return predictions.configuration.name, predictions.configuration.seed

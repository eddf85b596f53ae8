"""Show what a run would load and train, and for how long: `python benchmark.py plan --suite fer2013 --train missing`.

It takes what a run takes, and writes nothing.
"""

from __future__ import annotations

import itertools
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from benchmarks.commands.options import run_arguments
from benchmarks.commands.run_suite import options_with_data
from benchmarks.formats import columns, duration

if TYPE_CHECKING:
    from benchmarks.execution.hardware import Here
    from benchmarks.execution.tasks import Task
    from benchmarks.session import Session

LOADED = {"member": "", "action": "load", "estimate": "", "steps": ""}


def arguments(parser: ArgumentParser) -> None:
    """Add what a run takes."""
    run_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Print the plan."""
    from benchmarks.execution.elsewhere import place_of  # imports wait until they are needed: --help costs nothing
    from benchmarks.execution.progress import LogProgress
    from benchmarks.session import Session

    options = options_with_data(arguments)
    with place_of(options, LogProgress()) as place:
        print(schedule(Session(options), place))


def schedule(session: Session, place: Here) -> str:
    """What a run would load, train at a place and leave out, with estimates."""
    from benchmarks.evaluation.models import member_labels
    from benchmarks.execution import tasks
    from benchmarks.execution.plan import cost_of_views

    members, notes = tasks.schedule(session, place)
    external, unusable = tasks.external_members(session)
    rows = [_row(task) for task in itertools.chain.from_iterable(members)]
    rows += [{**LOADED, "member": label, "why": "predictions from elsewhere"} for label in member_labels(external[0])]
    trained = [[task.step for task in its if task.step.train] for its in members]
    seconds = sum(step.seconds for step in itertools.chain.from_iterable(trained))
    folds = len(session.folds)
    what = f"members to train, each in {folds} folds" if folds > 1 else "members to train"
    end = (
        f"{len(session.ensemblers)} ensemblers; {sum(map(bool, trained))} {what}, about {duration(seconds)} by estimate"
    )
    views = [cost_of_views(its[0].step.configuration.member) for its in members if its[0].step.train]
    unused = [f"not used: {note}" for note in [*notes, *unusable]]
    return "\n".join([columns(rows), "", end, *filter(None, views), *session.without_effect(), *unused])


def _row(task: Task) -> dict[str, Any]:
    """What happens to one member and seed, and why."""
    step = task.step
    if step.stored:
        return {**LOADED, "member": task.label, "why": "stored predictions"}
    action, steps = ("train", str(step.execution)) if step.train else ("leave out", "")
    return {
        "member": task.label,
        "action": action,
        "estimate": duration(step.seconds),
        "steps": steps,
        "why": step.reason,
    }

"""What is to be done for every member in every fold of a suite; a suite without folds has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from benchmarks.execution.plan import Step
from benchmarks.formats import labels
from benchmarks.session import Session
from benchmarks.store.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Task:
    """A step in the part of the data that it is about."""

    part: Session
    step: Step
    label: str

    @property
    def stem(self) -> str:
        """What identifies its predictions."""
        return self.step.configuration.stem

    @property
    def place(self) -> str:
        """`fold 2 of 5`; empty where the suite has no folds."""
        return f"fold {self.part.fold + 1} of {self.part.folds}" if self.part.folds > 1 else ""


Row = list[Task]  # of one member and seed: a task a part


def schedule(session: Session) -> tuple[list[Row], list[str]]:
    """A row a member and seed, and notes on files not used.

    All folds of a member come before the next member: where time is short, few members are whole rather than none.
    """
    inspected = [_inspected(part, session) for part in session.parts]
    notes = list(dict.fromkeys(chain.from_iterable(notes for _, notes in inspected)))
    by_member = list(zip(*(steps for steps, _ in inspected), strict=True))
    decided = iter(session.decided(list(chain.from_iterable(by_member))))
    names = labels((steps[0].configuration.name, steps[0].configuration.seed) for steps in by_member)
    rows = []
    for name in names:
        tasks = [Task(part, next(decided), name) for part in session.parts]
        rows.append([Task(task.part, task.step, ", ".join(filter(None, (name, task.place)))) for task in tasks])
    return rows, notes


def _inspected(part: Session, session: Session) -> tuple[list[Step], list[str]]:
    steps = part.inspected()
    if part is not session:
        part.release()
    return steps


def complete_members(rows: Sequence[Row], found: Mapping[str, Predictions], parts: int) -> list[list[Predictions]]:
    """A list for each of the parts, of the predictions of the members that have them in every part."""
    complete = [row for row in rows if all(task.stem in found for task in row)]
    return [[found[row[part].stem] for row in complete] for part in range(parts)]


def not_run(rows: Sequence[Row], found: Mapping[str, Predictions], failed: Mapping[str, str]) -> list[dict[str, Any]]:
    """The members that lack predictions in any part, each with the first reason and the command that makes them."""
    missing = [[task for task in row if task.stem not in found] for row in rows]
    return [
        {
            "name": tasks[0].step.configuration.member.name,
            "seed": tasks[0].step.configuration.seed,
            "reason": _reason(tasks, failed),
            "command": tasks[0].part.command(tasks[0].step),
        }
        for tasks in missing
        if tasks
    ]


def _reason(tasks: Sequence[Task], failed: Mapping[str, str]) -> str:
    first = tasks[0]
    reason = failed.get(first.stem, first.step.reason)
    folds = ", ".join(str(task.part.fold + 1) for task in tasks)
    return f"missing in {len(tasks)} of {first.part.folds} folds ({folds}): {reason}" if first.place else reason


def external_members(session: Session) -> tuple[list[list[Predictions]], list[str]]:
    """A list a part, of the models from elsewhere that have predictions in every part, and notes on files not used."""
    loaded = [part.external_members() for part in session.parts]
    notes = list(dict.fromkeys(chain.from_iterable(notes for _, notes in loaded)))
    by_model = [{_model(one): one for one in found} for found, _ in loaded]
    everywhere = [model for model in by_model[0] if all(model in found for found in by_model)]
    return [[found[model] for model in everywhere] for found in by_model], notes


def _model(predictions: Predictions) -> tuple[str, int | None]:
    return predictions.configuration.name, predictions.configuration.seed

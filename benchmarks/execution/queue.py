"""Whose turn it is where several members are trained at once: who waits for whom, and who comes first."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from benchmarks.execution.tasks import Task
from benchmarks.store.identity import Configuration
from zoo.recipes import GUIDES, named_members
from zoo.registry import trained_as

Key = tuple[str, int, int]  # name of the member, seed, fold


class TaskQueue:
    """Tasks in the order in which they are handed out.

    With `longest_first`, that is by the time of a task and of the longest chain that waits for it: a long training
    that is started last would end alone, the other processes idle. Otherwise the order is as it was: where time is
    short, what was asked for first is whole rather than everything in part.
    """

    def __init__(self, tasks: Sequence[Task], longest_first: bool) -> None:
        keys = {_key(task): task for task in tasks}
        self._needs = {task: [keys[key] for key in needed(task) if key in keys] for task in tasks}
        self._not_before: dict[Task, float] = {}
        self.waiting = sorted(tasks, key=lambda task: -self._seconds(task, ())) if longest_first else list(tasks)

    def next(self, running: Collection[Task], wanted: Callable[[Task], bool] | None = None) -> Task | None:
        """Take out the first task whose needs are met, of those that are `wanted`; None where all have to wait for one
        that is `running`.

        Members that need each other in a circle would wait for ever: the first of them is then told so by its training.
        """
        unfinished = {*self.waiting, *running}
        among = self.waiting if wanted is None else list(filter(wanted, self.waiting))
        now = time.monotonic()
        ready = (task for task in among if unfinished.isdisjoint(self._needs[task]) and self._may_be_next(task, now))
        all_wait_for_each_other = not (running or wanted or self._not_before) and bool(self.waiting)
        chosen = next(ready, self.waiting[0] if all_wait_for_each_other else None)
        if chosen is not None:
            self.waiting.remove(chosen)
            self._not_before.pop(chosen, None)
        return chosen

    def _may_be_next(self, task: Task, now: float) -> bool:
        return self._not_before.get(task, 0.0) <= now

    def again(self, task: Task) -> None:
        """Put a task back that was taken out: it comes before all others."""
        self.waiting.insert(0, task)

    def postpone(self, task: Task, seconds: float) -> None:
        """Put a task back that was taken out, for so long at least: another run is at it."""
        self._not_before[task] = time.monotonic() + seconds
        self.waiting.insert(0, task)

    def _seconds(self, task: Task, above: tuple[Task, ...]) -> float:
        """Estimate its training and the longest chain that waits for it; a circle is followed once."""
        path = (*above, task)
        after = [other for other, needs in self._needs.items() if task in needs and other not in path]
        return task.step.seconds + max((self._seconds(other, path) for other in after), default=0.0)


def needed(task: Task) -> list[Key]:
    """List the members whose weights or predictions a training asks for, of the same fold."""
    return [(name, seed, task.fold.index) for name, seed in needed_by(task.step.configuration)]


def needed_by(configuration: Configuration) -> list[tuple[str, int]]:
    """List the members, each with its seed, whose weights or predictions a training asks for: those that its labels
    name, the network whose features are classified, and the member that this one is with other views at test time."""
    member, seed = configuration.member, configuration.seed
    source = member.features_of or trained_as(member).name
    members = [(source, seed)] if source != member.name else []
    for text in filter(None, (getattr(member.recipe.labels, setting) for setting in GUIDES)):
        try:
            members += named_members(text)
        except ValueError:  # its training says what is wrong with it
            continue
    return members


def _key(task: Task) -> Key:
    configuration = task.step.configuration
    return configuration.member.name, configuration.seed, task.fold.index

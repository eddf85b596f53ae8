"""Members of results that lie in a bucket: brought before a training, put there after it, claimed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.execution.queue import TaskQueue, needed_by
from benchmarks.execution.tasks import Task
from benchmarks.session import Session
from benchmarks.store.claims import Claims
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration
from benchmarks.store.objects import Folder
from benchmarks.store.predictions import Predictions
from benchmarks.store.weights import weights_path
from zoo.registry import trained_as

AGAIN = 2.0  # seconds between two looks at what another run trains


def bring(session: Session, configuration: Configuration) -> None:
    """Bring what others have left of a member, and of those that its training asks for; raise OSError."""
    if session.mirror is None:
        return
    suite = session.suite.name
    session.mirror.fetch_member(suite, configuration.stem)
    for name, seed in needed_by(configuration):
        session.mirror.fetch(*(f"{suite}/{kind}/{name}.s{seed}." for kind in ("predictions", "checkpoints")))


def put(session: Session, configuration: Configuration) -> bool:
    """Put what a training has left where others find it; False where another run was first, whose files are now here.

    Raises OSError.
    """
    if session.mirror is None:
        return True
    owner = replace(configuration, member=trained_as(configuration.member))
    weights = weights_path(session.checkpoints, owner).relative_to(session.mirror.folder).as_posix()
    return session.mirror.put_member(session.suite.name, configuration.stem, weights)


def claims_of(session: Session) -> Claims:
    """Return the claims among the runs that share the session's results."""
    if session.mirror is None:
        return Claims(Folder(session.folder), session.checkpoints.name)
    return Claims(session.mirror.store, f"{session.suite.name}/{session.checkpoints.name}")


class Turns:
    """The members of a queue whose turn it is, but for those that another run trains."""

    def __init__(self, session: Session, queue: TaskQueue, claims: Claims, note: Callable[[str], None]) -> None:
        self._session, self._queue, self._claims, self._note = session, queue, claims, note
        self._told: set[str] = set()

    def claim(self, task: Task) -> bool:
        """Claim a task that was taken out of the queue; where another run has it, put it back for a while."""
        holder = self._claims.take(task.stem)
        if holder is None:
            return True
        if task.stem not in self._told:
            self._told.add(task.stem)
            self._note(f"{task.label}: is being trained by a run on {holder}; this one waits for it, or takes it over")
        self._queue.postpone(task, AGAIN)
        return False

    def stored_meanwhile(self, task: Task) -> Predictions | None:
        """Load what another run has stored since this one looked; None where there is nothing that can be used."""
        if self._session.options.train == "always":
            return None
        if self._session.mirror is not None:
            self._session.mirror.fetch_member(self._session.suite.name, task.stem)
        try:
            return task.fold.load(task.step.configuration)
        except StoreError:
            return None

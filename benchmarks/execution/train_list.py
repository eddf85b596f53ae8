"""A list of members to train, in order: what of it is done, what is left, and the next one's turn."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.data.errors import shortened
from benchmarks.execution.queue import needed
from benchmarks.execution.tasks import Task, schedule
from benchmarks.session import Options, Session

COLUMNS = ("suite", "member", "seed", "why")
SEED = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Entry:
    """A member of a suite with its seed, and why it is worth its hours."""

    suite: str
    member: str
    seed: int
    why: str


@dataclass(frozen=True)
class Turn:
    """An entry with what is to be done for it: a task a fold of its suite."""

    entry: Entry
    session: Session
    tasks: tuple[Task, ...]

    @property
    def left(self) -> list[Task]:
        """The tasks that have no predictions yet."""
        return [task for task in self.tasks if task.step.stored is None]

    @property
    def seconds(self) -> float:
        """How long what is left takes by estimate."""
        return sum(task.step.seconds for task in self.left)

    @property
    def begun(self) -> bool:
        """Whether a training of it was stopped and can go on."""
        return any((self.session.checkpoints / f"{task.stem}.pt").exists() for task in self.left)

    @property
    def in_training(self) -> bool:
        """Whether another process trains it now."""
        if not self._claim.exists():
            return False
        with self.claimed() as free:
            return not free

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Keep other processes from training this entry; gives False where one of them does."""
        self._claim.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._claim, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @property
    def _claim(self) -> Path:
        return self.session.checkpoints / f"{self.tasks[0].stem}.lock"


def read_list(path: Path) -> list[Entry]:
    """The entries of a CSV with the columns suite, member, seed and why, in its order.

    Raises ValueError, naming file and line, for another form, a seed that is no number, or an entry that stands twice.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is no regular file")
    try:
        return _entries(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: is no such list ({error})") from error


def _entries(path: Path) -> list[Entry]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            there = shortened(", ".join(reader.fieldnames or ()) or "nothing")
            raise ValueError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}; there is {there}")
        entries: dict[tuple[str, str, int], Entry] = {}
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: {len(COLUMNS)} values are needed; put a text with commas in quotes")
            if not SEED.fullmatch(row["seed"]):
                raise ValueError(f"{where}: the seed must be a whole number, not {shortened(row['seed'])!r}")
            entry = Entry(row["suite"], row["member"], int(row["seed"]), row["why"])
            key = (entry.suite, entry.member, entry.seed)
            if key in entries:
                named = shortened(f"{entry.member}, seed {entry.seed}, of {entry.suite}")
                raise ValueError(f"{where}: {named} stands above already")
            entries[key] = entry
    return list(entries.values())


def awaits(turn: Turn, entries: Sequence[Entry]) -> bool:
    """Tell whether an entry learns from one of the `entries` that another process is training now."""
    listed = {(entry.suite, entry.member, entry.seed): entry for entry in entries}
    names = {(turn.entry.suite, name, seed) for task in turn.left for name, seed, _ in needed(task)}
    teachers = (_turn_of(listed[name], turn) for name in names if name in listed)
    return any(teacher.left and teacher.in_training for teacher in teachers)


def _turn_of(entry: Entry, beside: Turn) -> Turn:
    return turn(entry, replace(beside.session.options, train="auto", time_budget=None))


def turn(entry: Entry, options: Options) -> Turn:
    """What is to be done for an entry, with the data, results and hardware of `options`.

    Raises UnknownName for a suite or member that does not exist, and DataError where `options` train and the images
    are not at hand.
    """
    session = Session(replace(options, suite=entry.suite, members=(entry.member,), seeds=(entry.seed,)))
    rows, _ = schedule(session)
    return Turn(entry, session, tuple(chain.from_iterable(rows)))

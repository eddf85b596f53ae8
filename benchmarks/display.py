"""What the user sees while a run goes on: rich bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from benchmarks.tables import duration

if TYPE_CHECKING:
    from zoo.training import Moment


class Quiet:
    """Shows nothing. The base of the others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def note(self, text: str) -> None:
        """Something worth a line."""

    def members(self, count: int) -> None:
        """So many members will be trained."""

    def start(self, label: str) -> None:
        """A member's training begins."""

    def moment(self, moment: Moment) -> None:
        """Where the training is."""

    def done(self, label: str, outcome: str) -> None:
        """A member's training is over."""


class Lines(Quiet):
    """A line an epoch, but none sooner than PAUSE seconds after the last: for logs and pipes."""

    PAUSE = 5.0

    def __init__(self) -> None:
        self.count, self.finished, self.label = 0, 0, ""
        self.epoch, self.printed = 0, 0.0

    def note(self, text: str) -> None:
        print(text, flush=True)

    def members(self, count: int) -> None:
        self.count, self.finished = count, 0

    def start(self, label: str) -> None:
        self.label, self.epoch, self.printed = label, 0, time.monotonic()

    def moment(self, moment: Moment) -> None:
        now = time.monotonic()
        if moment.epoch > self.epoch and now - self.printed > self.PAUSE:
            self.epoch, self.printed = moment.epoch, now
            print(f"[{self.finished + 1}/{self.count}] {self.label}: {_state(moment)}", flush=True)

    def done(self, label: str, outcome: str) -> None:
        self.finished += 1
        print(f"[{self.finished}/{self.count}] {label}: {outcome}", flush=True)


class Bars(Quiet):
    """Two bars: members done, and the epochs of the one in training."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
        )
        self.progress = Progress(*columns, transient=True)
        self.all = self.progress.add_task("members", total=None, visible=False, state="")
        self.one = self.progress.add_task("", total=None, visible=False, state="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def note(self, text: str) -> None:
        self.progress.console.print(text, markup=False, highlight=False)

    def members(self, count: int) -> None:
        self.progress.update(self.all, total=count, completed=0, visible=count > 0)

    def start(self, label: str) -> None:
        self.progress.reset(self.one, description=label, total=None, visible=True, state="")

    def moment(self, moment: Moment) -> None:
        self.progress.update(self.one, total=moment.steps, completed=moment.step, state=_state(moment))

    def done(self, label: str, outcome: str) -> None:
        self.progress.update(self.all, advance=1)
        self.progress.update(self.one, visible=False)
        self.note(f"{label}: {outcome}")


def _state(moment: Moment) -> str:
    val = "" if moment.val_accuracy is None else f", val {100 * moment.val_accuracy:.2f} %"
    speed = f"{moment.images_per_second:.0f} images/s"
    return f"epoch {moment.epoch} of {moment.epochs}, {speed}, {duration(moment.seconds_left)} left{val}"


def display(quiet: bool) -> Quiet:
    """The display that suits the output."""
    if quiet:
        return Quiet()
    return Bars() if sys.stdout.isatty() else Lines()

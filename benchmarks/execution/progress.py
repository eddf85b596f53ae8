"""What the user sees while a run goes on: rich bars on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from benchmarks.formats import duration
from benchmarks.text import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from zoo.training.job import Progress


class NullProgress:
    """Shows nothing. The base of the others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def note(self, text: str) -> None:
        """Show something worth a line."""

    def members(self, count: int) -> None:
        """Begin a run in which so many members are trained."""

    def start(self, label: str) -> None:
        """Begin with a member's training."""

    def progress(self, progress: Progress, label: str = "") -> None:
        """Show where the training of a member is: of the one that began last where none is named."""

    def done(self, label: str, outcome: str) -> None:
        """End a member's training, and show its outcome."""


class LogProgress(NullProgress):
    """A line an epoch, but none sooner than PAUSE seconds after the last: for logs and pipes."""

    PAUSE = 5.0

    def __init__(self) -> None:
        self.count, self.begun, self.label = 0, 0, ""
        self.running: dict[str, _Line] = {}

    def note(self, text: str) -> None:
        print(printable(text), flush=True)

    def members(self, count: int) -> None:
        self.count, self.begun = count, 0

    def start(self, label: str) -> None:
        self.begun, self.label = self.begun + 1, label
        self.running[label] = _Line(f"[{self.begun}/{self.count}] {label}", ("", 0), time.monotonic())

    def progress(self, progress: Progress, label: str = "") -> None:
        line, now = self.running[label or self.label], time.monotonic()
        reached = (progress.unit, progress.epoch)
        if progress.epoch and reached != line.reached and now - line.printed > self.PAUSE:
            line.reached, line.printed = reached, now
            print(f"{line.title}: {_state(progress)}", flush=True)

    def done(self, label: str, outcome: str) -> None:
        self.note(f"{self.running.pop(label).title}: {outcome}")


@dataclass
class _Line:
    """What was printed last of a member in training."""

    title: str
    reached: tuple[str, int]  # unit and number
    printed: float  # when, as of time.monotonic


class RichProgress(NullProgress):
    """A bar for the members done, and one for the epochs of each that is in training."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
        )
        self.bars = Bars(*columns, transient=True)
        self.all = self.bars.add_task("members", total=None, visible=False, state="")
        self.running: dict[str, TaskID] = {}
        self.label = ""

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def note(self, text: str) -> None:
        self.bars.console.print(printable(text), markup=False, highlight=False)

    def members(self, count: int) -> None:
        self.bars.update(self.all, total=count, completed=0, visible=count > 0)

    def start(self, label: str) -> None:
        self.label, self.running[label] = label, self.bars.add_task(label, total=None, state="")

    def progress(self, progress: Progress, label: str = "") -> None:
        bar = self.running[label or self.label]
        self.bars.update(bar, total=progress.steps, completed=progress.step, state=_state(progress))

    def done(self, label: str, outcome: str) -> None:
        self.bars.update(self.all, advance=1)
        self.bars.remove_task(self.running.pop(label))
        self.note(f"{label}: {outcome}")


def _state(progress: Progress) -> str:
    val = "" if progress.val_accuracy is None else f", val {100 * progress.val_accuracy:.2f} %"
    speed = f"{progress.images_per_second:.0f} images/s"
    best = ", saved new best" if progress.is_best else ""
    reached = f"{progress.unit} {progress.epoch} of {progress.epochs}"
    return f"{reached}, {speed}, {duration(progress.seconds_left)} left{val}{best}"


def display(quiet: bool) -> NullProgress:
    """Choose the display that suits the output."""
    if quiet:
        return NullProgress()
    return RichProgress() if sys.stdout.isatty() else LogProgress()

"""Reasons to stop early: the time budget, Ctrl-C, and the signals by which a machine or a batch system asks."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar

INTERRUPT = "interrupted"
LEAVE = "told to leave"
BUDGET_SPENT = "the time budget is spent"

END_OF_RUN = (INTERRUPT, LEAVE)
"""The reasons that end the whole run; where the budget is spent, what there is of it is still scored."""

LEAVE_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
"""SIGTERM comes from a machine that shuts down, SIGUSR1 or SIGUSR2 from Slurm some time before (`--signal`)."""


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; what was reached is saved. `code` is the exit code of the command."""

    code: ClassVar[int] = 130


class ToldToLeave(Interrupted):
    """The machine asked, not the user: the same command, started again, goes on (75 is EX_TEMPFAIL of sysexits.h)."""

    code: ClassVar[int] = 75


def interrupted(labels: Sequence[str], why: str = INTERRUPT) -> Interrupted:
    """Make what ends the run for a reason of END_OF_RUN that came while these were trained."""
    where, whose = (
        f" in {' and '.join(sorted(labels))}" if labels else "",
        "its state" if len(labels) == 1 else "every state",
    )
    kind = ToldToLeave if why == LEAVE else Interrupted
    return kind(f"{why.capitalize()}{where}; {whose} is saved, the same command goes on from there.")


@contextmanager
def stop_signal(deadline: float | None) -> Iterator[Callable[[], str | None]]:
    """Yield a function that says why to stop, if so; the first signal is a reason, the second raises at once."""
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    def stop() -> str | None:
        if pressed:
            return INTERRUPT if pressed[0] == signal.SIGINT else LEAVE
        if deadline is not None and time.monotonic() > deadline:
            return BUDGET_SPENT
        return None

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, *LEAVE_SIGNALS)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Have a process that is started meanwhile begin deaf to signals: a terminal sends Ctrl-C to all of them, and a
    batch system its signals, before they could say that it is the first one who answers."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *LEAVE_SIGNALS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Reasons to stop early: the time budget, Ctrl-C, and SIGTERM, by which a machine or a batch system asks."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

INTERRUPT = "interrupted"
BUDGET_SPENT = "the time budget is spent"


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; what was reached is saved."""


def interrupted(labels: Sequence[str]) -> Interrupted:
    """Make what ends the run where the user asked for it while these were trained."""
    where, whose = f" in {' and '.join(labels)}" if labels else "", "its state" if len(labels) == 1 else "every state"
    return Interrupted(f"Interrupted{where}; {whose} is saved, the same command goes on from there.")


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
            return INTERRUPT
        if deadline is not None and time.monotonic() > deadline:
            return BUDGET_SPENT
        return None

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

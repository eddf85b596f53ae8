"""Reasons to stop early: the time budget and Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPT = "interrupted"
BUDGET_SPENT = "the time budget is spent"


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; what was reached is saved."""


@contextmanager
def stop_signal(deadline: float | None) -> Iterator[Callable[[], str | None]]:
    """A function that says why to stop, if there is a reason; the first Ctrl-C is one, the second raises at once."""
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

    before = signal.signal(signal.SIGINT, press)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)

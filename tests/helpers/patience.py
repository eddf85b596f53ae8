"""A limit of time for what may wait for ever."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Hangs(BaseException):
    """It has not ended in time; nothing that catches errors catches this."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raises Hangs where what is inside takes longer; for the main thread, on systems with signals."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hangs(f"not done after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

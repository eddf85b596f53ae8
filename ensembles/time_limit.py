"""A limit on the time of one fit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType


class TooLong(BaseException):
    """A fit has taken longer than it may. It is no Exception, so that nothing inside the fit takes it for its own."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TooLong where what is inside takes more than `seconds` of wall time; None sets no limit.

    It is stopped at once in a process's main thread, on systems that have timers. Elsewhere, such as in the threads of
    a Dask worker, and inside a library's compiled code, it is raised when the work returns.
    """
    if seconds is None:
        yield
        return
    start = perf_counter()
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, _late) if timed else None
    if timed:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    if perf_counter() - start > seconds:
        raise TooLong


def _late(number: int, frame: FrameType | None) -> None:
    raise TooLong

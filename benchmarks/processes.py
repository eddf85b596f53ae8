"""Calls in joblib's processes: those that searched ensembles predict, score, and draw after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def spread(function: Callable[..., Answer], calls: Sequence[tuple[Any, ...]], processes: int) -> list[Answer]:
    """Return what a function answers to the arguments of each call, in their order, by so many processes.

    All is done here for one process or one call, and where a process is killed, for lack of memory perhaps.
    """
    if processes == 1 or len(calls) < 2:
        return [function(*arguments) for arguments in calls]
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    try:
        return list(Parallel(n_jobs=processes, batch_size=1)(delayed(function)(*arguments) for arguments in calls))
    except BrokenProcessPool:
        return [function(*arguments) for arguments in calls]


def beside(processes: int, function: Callable[..., Answer], *arguments: Any) -> Callable[[], Answer]:
    """Have another of so many processes answer a call while this one goes on; return what waits for the answer.

    With one process, and where the other is killed, the call is made here when it is waited for.
    """
    here = partial(function, *arguments)
    if processes == 1:
        return here
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    answers = Parallel(n_jobs=processes, return_as="generator")([delayed(function)(*arguments)])

    def waited() -> Answer:
        try:
            (answer,) = answers
        except BrokenProcessPool:
            return here()
        return answer

    return waited

"""Calls in joblib's processes: those that searched ensembles predict, score, and draw after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def spread(function: Callable[..., Answer], calls: Sequence[tuple[Any, ...]], processes: int) -> list[Answer]:
    """Return what a function answers to the arguments of each call, in their order, by so many processes.

    All is done here for one process or one call, and the rest where a process is killed, for lack of memory perhaps.
    """
    return beside(function, calls, 1 if len(calls) < 2 else processes)()


def beside(
    function: Callable[..., Answer], calls: Sequence[tuple[Any, ...]], processes: int
) -> Callable[[], list[Answer]]:
    """Have so many other processes answer calls as `spread` does, while this one goes on; return what waits for them.

    With one process, the calls are made here when they are waited for.
    """
    if processes == 1 or not calls:
        return lambda: [function(*arguments) for arguments in calls]
    from joblib import Parallel, delayed

    answers = Parallel(n_jobs=processes, batch_size=1, return_as="generator")(
        delayed(function)(*arguments) for arguments in calls
    )
    return partial(_answered, function, calls, answers)


@contextmanager
def begun(processes: int, modules: Sequence[str]) -> Iterator[None]:
    """Have so many other processes start, and import what they will need, while the body runs; wait for them after it.

    One process is this one, and nothing is done.
    """
    ready = beside(_import, [(modules,)] * processes, processes) if processes > 1 else None
    try:
        yield
    finally:
        if ready is not None:
            ready()


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        import_module(module)


def _answered(
    function: Callable[..., Answer], calls: Sequence[tuple[Any, ...]], answers: Iterable[Answer]
) -> list[Answer]:
    """Wait for the answers of other processes to the first of the calls, and make the rest of these here."""
    from concurrent.futures.process import BrokenProcessPool

    answered: list[Answer] = []
    with suppress(BrokenProcessPool):
        answered.extend(answers)  # one by one: those before a failure are kept
    return answered + [function(*arguments) for arguments in calls[len(answered) :]]

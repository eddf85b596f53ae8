"""An engine with workers of its own on this machine: what `--side-by-side` trains by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from benchmarks.execution.connection import security
from benchmarks.execution.crew import Crew
from benchmarks.execution.engine import Engine
from benchmarks.execution.quiet import quiet
from benchmarks.execution.scheduler import scheduler_options
from benchmarks.execution.serving import Meeting
from benchmarks.execution.slots import Slot


@contextmanager
def local_engine(slots: Sequence[Slot]) -> Iterator[Engine]:
    """Yield an engine with workers of its own on this machine, which end with it."""
    quiet()
    from distributed import Scheduler, SpecCluster

    cluster = SpecCluster({}, {"cls": Scheduler, "options": scheduler_options()}, security=security())
    crew = Crew(slots, Meeting(cluster.scheduler_address))
    try:
        crew.start()
        engine = Engine(cluster.scheduler_address, any_code=True)  # it is this run's, also where somebody edits it
        watching = Thread(target=engine.watch, args=(crew,), daemon=True)
        watching.start()
        try:
            yield engine
        finally:
            crew.kill()
            watching.join()
            engine.close()
    finally:
        crew.kill()
        cluster.close()

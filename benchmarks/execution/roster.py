"""The workers of a Dask scheduler: which there are, what they have, and what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.execution.connection import security
from benchmarks.execution.facts import Facts
from benchmarks.execution.quiet import quiet
from benchmarks.execution.stopping import ToldToLeave

PATIENCE = 10  # seconds in which a scheduler has to answer
REFRESH = 2.0  # seconds between two questions what workers do that another run has handed something
GOES_ON = "Workers store what they have begun, and the same command goes on from there."


class EngineLost(ToldToLeave):
    """The scheduler is gone; workers store what they have begun, and the same command goes on later."""


class Roster:
    """The workers that a scheduler knows, by their addresses."""

    def __init__(self, address: str) -> None:
        """Connect; raise ValueError where no scheduler answers."""
        quiet()
        from distributed import Client

        self.address = address
        try:
            self.client = Client(address, security=security(), set_as_default=False, timeout=PATIENCE)
        except OSError as error:
            raise ValueError(f"no scheduler answers at {address}: {type(error).__name__}: {error}") from error
        self.facts: dict[str, Facts] = {}  # of the workers that there are
        self.elsewhere: dict[str, str] = {}  # what workers train for another run, one that is gone perhaps: its stem
        self.own: set[str] = set()  # stems of what they train for this one
        self._looked = 0.0

    def check_scheduler(self) -> None:
        """Raise EngineLost where the scheduler is gone."""
        if self.client.status != "running":
            raise EngineLost(f"The scheduler at {self.address} is gone. {GOES_ON}")

    def answer_of(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns on one of the workers, or raise what it raises there."""
        free = [worker for worker in self.facts if worker not in self.elsewhere] or list(self.facts)
        return self.client.submit(function, *arguments, workers=free, pure=False).result()

    def look(self) -> None:
        """Ask the scheduler which workers there are, and what they do."""
        self._looked = time.monotonic()
        try:
            there = self.client.scheduler_info(n_workers=-1)["workers"]
        except OSError as error:
            raise EngineLost(f"The scheduler at {self.address} is gone. {GOES_ON}") from error
        self.facts = {worker: Facts(**its["trainer"]) for worker, its in there.items() if "trainer" in its}
        training = {worker: its["metrics"].get("training", "") for worker, its in there.items()}
        self.elsewhere = {worker: stem for worker, stem in training.items() if stem and stem not in self.own}

    def look_again(self) -> None:
        """Look, where workers are busy with something else, but not too often."""
        if self.elsewhere and time.monotonic() - self._looked > REFRESH:
            self.look()

"""Workers of a Dask scheduler, seen from a run: each is handed one training at a time, and says how it goes.

A training is a Dask task that only the chosen worker may take, so that it is known who has lost which member, and none
waits for a worker that is busy. Dask moves nothing and tries nothing again: that is decided in parallel.py.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from benchmarks.execution.connection import security
from benchmarks.execution.crew import Crew
from benchmarks.execution.facts import Facts
from benchmarks.execution.quiet import quiet
from benchmarks.execution.stopping import ToldToLeave

if TYPE_CHECKING:
    from distributed import Future

    from benchmarks.execution.trainer import Order

PATIENCE = 10  # seconds in which a scheduler has to answer
REFRESH = 2.0  # seconds between two questions what workers do that another run has handed something
ANSWERS = ("done", "left", "memory", "failed")  # what a worker says last of an order

Said = dict[str, Any]
"""What was said of an order: its `key`, the `kind`, and more; `lost` is said where its worker is gone."""


GOES_ON = "Workers store what they have begun, and the same command goes on from there."


class EngineLost(ToldToLeave):
    """The scheduler is gone; workers store what they have begun, and the same command goes on later."""


class Engine:
    """A run's way to the workers of a scheduler."""

    def __init__(self, address: str, any_code: bool = False) -> None:
        """Connect; raise ValueError where no scheduler answers. Workers need the code of the run, or `any_code`."""
        quiet()
        from distributed import Client

        self.has_own_workers = False  # which come by themselves
        self.address, self.run, self.any_code = address, f"run-{uuid.uuid4().hex}", any_code
        try:
            self.client = Client(address, security=security(), set_as_default=False, timeout=PATIENCE)
        except OSError as error:
            raise ValueError(f"no scheduler answers at {address}: {type(error).__name__}: {error}") from error
        self.facts: dict[str, Facts] = {}  # of the workers that there are, by address
        self.orders: dict[str, Order] = {}  # that workers hold, by address
        self.elsewhere: dict[str, str] = {}  # what workers train for another run, one that is gone perhaps: its stem
        self._futures: dict[str, Future] = {}  # by the key of the order; Dask forgets a task without one
        self._begun: set[str] = set()  # keys
        self._own: set[str] = set()  # stems of all orders
        self._heard: SimpleQueue[Said] = SimpleQueue()
        self._looked = 0.0
        self.client.subscribe_topic(self.run, lambda event: self._heard.put(event[1]))
        self.client.subscribe_topic("all", lambda event: self._heard.put({"kind": "news", **event[1]}))
        self.look()

    def submit(self, worker: str, order: Order) -> None:
        """Hand an order to a worker that holds none."""
        from benchmarks.execution.trainer import train_member

        self.orders[worker] = order
        self._own.add(order.configuration.stem)
        self._futures[order.key] = future = self.client.submit(
            train_member, order, key=order.key, workers=[worker], allow_other_workers=False, pure=False
        )
        future.add_done_callback(self._say_error)

    def next(self, seconds: float) -> list[Said]:
        """Return what was said since, or within so many seconds; raise EngineLost."""
        heard = []
        with suppress(Empty):
            heard.append(self._heard.get(timeout=seconds))
            while True:
                heard.append(self._heard.get_nowait())
        if self.client.status != "running":
            raise EngineLost(f"The scheduler at {self.address} is gone. {GOES_ON}")
        return [said for one in heard if (said := self._understood(one))]

    def ask(self, why: str) -> None:
        """Ask all workers to stop what they train for this run; what none has begun is taken back."""
        from benchmarks.execution.trainer import stop_run

        held = list(self.orders)
        asking = partial(self.client.run, stop_run, self.run, why, workers=held, on_error="ignore")
        Thread(target=asking, daemon=True).start()  # one that does not answer keeps nobody waiting
        for order in self.orders.values():
            if order.key not in self._begun:
                self._heard.put({"kind": "failed", "key": order.key, "text": f"not started: {why}"})

    def close(self) -> None:
        """Let go of the workers, and of what they still train for this run."""
        self._futures.clear()
        with suppress(OSError):
            for topic in (self.run, "all"):
                self.client.unsubscribe_topic(topic)
            self.client.close(timeout=1)

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
        self.elsewhere = {worker: stem for worker, stem in training.items() if stem and stem not in self._own}

    def look_again(self) -> None:
        """Look, where workers are busy with something else, but not too often."""
        if self.elsewhere and time.monotonic() - self._looked > REFRESH:
            self.look()

    def watch(self, crew: Crew) -> None:
        """See to it that the processes of a crew live, from a thread of its own; without any, nobody would train."""
        self.has_own_workers = True
        codes = crew.watch()
        self._heard.put({"kind": "news", "action": "no-workers", "codes": sorted(map(str, codes))})

    def _understood(self, said: Said) -> Said | None:
        """Draw the consequences of what was said; return it where it is of an order that a worker holds."""
        if said["kind"] == "news":
            return self._news(said)
        holders = [worker for worker, order in self.orders.items() if order.key == said["key"]]
        if not holders:
            return None  # of a worker that was taken for lost
        if said["kind"] == "begun":
            self._begun.add(said["key"])
        elif said["kind"] in ANSWERS:
            said = {**said, **self._released(holders[0])}
            if said["kind"] == "left":
                self.facts.pop(holders[0], None)
        return said

    def _news(self, said: Said) -> Said | None:
        """Learn of a worker that came, or is gone; return that an order is `lost` with it, or `left`."""
        if said.get("action") == "no-workers":
            raise OSError(f"all worker processes have ended (exit codes {', '.join(said['codes'])}), see above")
        if said.get("action") == "add-worker":
            self.look()
        if said.get("action") != "remove-worker":
            return None
        order = self.orders.get(said["worker"])
        released = self._released(said["worker"]) if order else {}
        self.facts.pop(said["worker"], None)
        if order is None:
            return None
        lost = order.key in self._begun and not said.get("expected")
        return {"kind": "lost" if lost else "left", "key": order.key, **released}

    def _released(self, worker: str) -> Said:
        """Take back what a worker holds; return what there is to say of the worker."""
        self._futures.pop(self.orders.pop(worker).key)
        facts = self.facts.get(worker)
        return {"facts": facts, "host": facts.host if facts else worker}

    def _say_error(self, future: Future) -> None:
        """Say that a worker could not even begin, from a thread of Dask's."""
        if future.status == "error":
            error = future.exception()
            text = f"a worker could not begin with it: {type(error).__name__}: {error}"
            self._heard.put({"kind": "failed", "key": future.key, "text": text})

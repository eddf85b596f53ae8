"""Trainings on the workers of a Dask scheduler: each is handed one at a time, and says how it goes.

A training is a Dask task that only the chosen worker may take, so that it is known who has lost which member, and none
waits for a worker that is busy. Dask moves nothing and tries nothing again: that is decided in parallel.py.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from benchmarks.execution.crew import Crew
from benchmarks.execution.roster import Roster

if TYPE_CHECKING:
    from distributed import Future

    from benchmarks.execution.trainer import Order

ANSWERS = ("done", "left", "memory", "failed")  # what a worker says last of an order

Said = dict[str, Any]
"""What was said of an order: its `key`, the `kind`, and more; `lost` is said where its worker is gone."""


class Engine(Roster):
    """A run's way to the workers of a scheduler, each of which is handed one training at a time."""

    def __init__(self, address: str, any_code: bool = False) -> None:
        """Connect; raise ValueError where no scheduler answers. Workers need the code of the run, or `any_code`."""
        super().__init__(address)
        self.has_own_workers = False  # which come by themselves
        self.run, self.any_code = f"run-{uuid.uuid4().hex}", any_code
        self.orders: dict[str, Order] = {}  # that workers hold, by address
        self._futures: dict[str, Future] = {}  # by the key of the order; Dask forgets a task without one
        self._begun: set[str] = set()  # keys
        self._heard: SimpleQueue[Said] = SimpleQueue()
        self.client.subscribe_topic(self.run, lambda event: self._heard.put(event[1]))
        self.client.subscribe_topic("all", lambda event: self._heard.put({"kind": "news", **event[1]}))
        self.look()

    def submit(self, worker: str, order: Order) -> None:
        """Hand an order to a worker that holds none."""
        from benchmarks.execution.trainer import train_member

        self.orders[worker] = order
        self.own.add(order.configuration.stem)
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
        self.check_scheduler()
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

"""Which worker gets a member: the one that has begun it, one that has a card for it alone, or the fastest free one."""

from __future__ import annotations

import time
from collections import defaultdict
from statistics import fmean

from benchmarks.digests import code
from benchmarks.execution.engine import Engine
from benchmarks.execution.facts import Facts
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.trainer import Order
from benchmarks.store.predictions import Predictions

LONELY = 10.0  # seconds without any worker after which the user is told

Card = tuple[str, str]  # host, and card as CUDA_VISIBLE_DEVICES names it there


class Placement:
    """The workers of an engine that train on a device with this code, and which of them are free."""

    def __init__(self, engine: Engine, device: str, display: NullProgress) -> None:
        self.free: list[str] = []
        self._engine, self._device, self._display = engine, device, display
        self._code = code()
        self._alone: dict[str, Card] = {}  # what has to have a card alone, by its stem
        self._had_a_card: set[str] = set()
        self._speeds: defaultdict[str, list[float]] = defaultdict(list)  # to the estimates, by hardware
        self._seen: float | None = time.monotonic()  # when there was a worker last; None once the user was told

    def look(self) -> None:
        """See which workers are free, the fastest first; a card that is reserved has none."""
        engine = self._engine
        engine.look_again()
        fit = [worker for worker, facts in engine.facts.items() if self._fits(facts)]
        self._tell_if_there_are_none(fit)
        kept = set(self._alone.values())
        idle = [worker for worker in fit if not self._is_busy(worker) and _card(engine.facts[worker]) not in kept]
        self.free = sorted(idle, key=lambda worker: self._speed(engine.facts[worker]), reverse=True)

    def meant(self) -> list[tuple[str, str]]:
        """List the workers that are meant for one member, each with its stem: they train it already, for a run that is
        gone, or have an empty card on which it is to be alone."""
        engine = self._engine
        begun = [(worker, stem) for worker, stem in engine.elsewhere.items() if worker not in engine.orders]
        alone = [(mates[0], stem) for stem, card in self._alone.items() if (mates := self._empty(card))]
        return [(worker, stem) for worker, stem in begun + alone if worker in engine.facts]

    def worker_for(self, stem: str) -> str | None:
        """Return the fastest free worker; none for what waits for a card of its own."""
        if stem in self._alone and not self._mates(self._alone[stem]):
            del self._alone[stem]  # the card is gone
        return None if stem in self._alone else self.free[0]

    def give(self, worker: str, order: Order) -> None:
        """Hand an order to a worker."""
        if worker in self.free:
            self.free.remove(worker)
        self._engine.submit(worker, order)

    def answered(self, stem: str) -> None:
        """Give the card back that a member had alone."""
        self._alone.pop(stem, None)

    def may_have_card_alone(self, stem: str, facts: Facts | None) -> bool:
        """Reserve the worker's card for a member that found no room on it beside others; not twice."""
        if facts is None or stem in self._had_a_card or len(self._mates(_card(facts))) < 2:
            return False
        self._had_a_card.add(stem)
        self._alone[stem] = _card(facts)
        return True

    def learn(self, facts: Facts | None, estimate: float, predictions: Predictions) -> None:
        """Learn how fast the worker's hardware is, by the estimate of a training and the time it took."""
        if facts is not None and (seconds := predictions.provenance["train_seconds"]):
            self._speeds[facts.hardware].append(estimate / seconds)

    def _fits(self, facts: Facts) -> bool:
        return facts.device == self._device and (facts.code == self._code or self._engine.any_code)

    def _is_busy(self, worker: str) -> bool:
        return worker in self._engine.orders or worker in self._engine.elsewhere

    def _speed(self, facts: Facts) -> tuple[float, int]:
        return fmean(self._speeds[facts.hardware] or [1.0]), facts.cores

    def _mates(self, card: Card) -> list[str]:
        """List the workers on a card."""
        return [worker for worker, facts in self._engine.facts.items() if facts.card and _card(facts) == card]

    def _empty(self, card: Card) -> list[str]:
        """List the workers on a card where none of them is busy."""
        mates = self._mates(card)
        return [] if any(map(self._is_busy, mates)) else mates

    def _tell_if_there_are_none(self, fit: list[str]) -> None:
        now = time.monotonic()
        if fit:
            self._seen = now
        elif not self._engine.has_own_workers and self._seen is not None and now - self._seen > LONELY:
            self._seen = None
            other = f"the workers of {self._engine.address} have no {self._device}, or run other code than this run"
            self._display.note(other if self._engine.facts else no_worker(self._engine.address))


def no_worker(address: str) -> str:
    """Say that nobody is there to train, and what to do."""
    return f"no worker has come to {address}; start one with: python -m benchmarks.execution.worker {address}"


def _card(facts: Facts) -> Card:
    return facts.host, facts.card

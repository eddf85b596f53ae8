"""What the speed benchmarks share: a header, made-up predictions, a clock, and how peers are asked for."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import device_name

Result = TypeVar("Result")


class PeerMissing(SystemExit):
    """A peer is not installed: the message says how to get it, and the program ends."""


def header(title: str, packages: Sequence[str] = (), device: str = "cpu") -> str:
    """Title, hardware and versions: what a time means nothing without."""
    found = ", ".join(f"{name} {number}" for name, number in versions(packages).items())
    return f"{title}\n{device_name(device)}; {found}"


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Of Python, of what every benchmark uses, and of those packages that are installed."""
    found = {name: _version(name) for name in ("numpy", "scipy", "scikit-learn", *packages)}
    return {"Python": platform.python_version()} | {name: number for name, number in found.items() if number}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def peer(module: str, package: str) -> Any:
    """A module of another package; PeerMissing where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise PeerMissing(f"{package} is needed to compare with: pip install '.[speed]' ({error})") from error


def made_up(members: int, samples: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits `[members, samples, classes]` and targets: members of unlike skill that share the images' difficulty, with
    accuracies as FER2013's members have them at seven classes."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, samples)
    shared = 1.6 * np.eye(classes, dtype=np.float32)[targets]
    shared += rng.standard_normal((samples, classes), dtype=np.float32)
    logits = rng.standard_normal((members, samples, classes), dtype=np.float32)
    logits += np.linspace(0.8, 1.2, members, dtype=np.float32)[:, None, None] * shared
    return logits, targets


@dataclass(frozen=True)
class Timing:
    """Wall seconds of each repeat of one call."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.seconds)

    def __str__(self) -> str:
        if len(self.seconds) == 1:
            return f"{self.best:.4f} s (once)"
        return f"{self.best:.4f} to {max(self.seconds):.4f} s ({len(self.seconds)} runs)"


def timed(call: Callable[[], Result], repeats: int) -> tuple[Timing, Result]:
    """Time and last result of `repeats` calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds)), result


def timed_in_turns(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[Timing, Timing]:
    """Times of both sides, one after the other in every round: a slow minute is both's."""
    rounds = [(timed(ours, 1)[0], timed(theirs, 1)[0]) for _ in range(repeats)]
    own, other = zip(*rounds, strict=True)
    return Timing(tuple(one.best for one in own)), Timing(tuple(one.best for one in other))


def ratio(ours: Timing, theirs: Timing) -> str:
    """How many times as fast we are: the best time of each side, and the worst case of the ranges."""
    worst = min(theirs.seconds) / max(ours.seconds)
    return f"{theirs.best / ours.best:.1f} times as fast (at least {worst:.1f} in these runs)"


@dataclass(frozen=True)
class Rate:
    """How many of something a second, in each round of one side."""

    per_second: tuple[float, ...]

    @property
    def best(self) -> float:
        return max(self.per_second)

    def __str__(self) -> str:
        return f"{min(self.per_second):,.0f} to {self.best:,.0f} a second"

    def over(self, peer: Rate) -> str:
        """How many times as fast this is: the best round of each side, and the worst case of the ranges."""
        worst = min(self.per_second) / peer.best
        return f"{self.best / peer.best:.1f} times as fast (at least {worst:.1f} in these runs)"


def rates(sides: Mapping[str, Callable[[], int]], seconds: float, rounds: int) -> dict[str, Rate]:
    """Rates of calls that each return how many they have done; each warms up by one call before the rounds.

    A round lasts `seconds` or one call, whichever is longer.
    """

    def measured(call: Callable[[], int]) -> float:
        start, done = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - start) < seconds:
            done += call()
        return done / elapsed

    for call in sides.values():
        call()
    return in_turns({name: partial(measured, call) for name, call in sides.items()}, rounds)


def in_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Rate]:
    """Calls that each return a rate, one after the other in every round: a slow minute is everyone's."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measured in sides.items():
            found[name].append(measured())
    return {name: Rate(tuple(each)) for name, each in found.items()}

"""What the engine costs: beside a serial run, on the wire, and in the hours of a thousand members.

    python -m benchmarks.speed.cluster              # all of it, on this machine
    python -m benchmarks.speed.cluster --simulate   # a thousand members on 64 workers, in no time

Four digits members are trained one after the other in this process, and by one worker that was there before: the
difference is the engine's. Both ways are run in turns, and each pair of runs gives a ratio, of time and of CPU time of
this process and its worker; the median counts. What else the machine does at that time slows both of a pair, and costs
no CPU time of theirs. The search is sent to two workers as `--engine` sends it, and the bytes are those of the
loopback interface. The thousand members are handed out as in a run, by a clock that does not wait: log-normal times,
four minutes in the middle, every tenth a student that waits for its teacher.
"""

from __future__ import annotations

import argparse
import heapq
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.digests import code
from benchmarks.execution.elsewhere import by_workers
from benchmarks.execution.engine import Engine, Said
from benchmarks.execution.executor import train_serially
from benchmarks.execution.facts import Facts
from benchmarks.execution.local import local_engine
from benchmarks.execution.parallel import train_in_parallel
from benchmarks.execution.plan import Step
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.slots import Slot, available, slots
from benchmarks.execution.tasks import Task, schedule
from benchmarks.execution.trainer import Order
from benchmarks.session import Options, Session
from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header, made_up
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from ensembles.search import search
from zoo import registry
from zoo.recipes import Labels

PACKAGES = ["distributed", "joblib", "torch"]
MEMBERS, WORKERS = 1000, 64
MIDDLE, SPREAD = 240.0, 0.9  # seconds of a training in the middle, and the standard deviation of their logarithm
OVERHEAD, BYTES, FLOOR = 1.03, 5.0, 1.03
"""What this project asks of itself: the engine's time over the serial run's, the bytes over the logits', the time of
all members over the least that is possible."""
Way = Callable[[Session, list[Task]], object]


def main(argv: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulate", action="store_true", help="only hand out a thousand members")
    parser.add_argument("--pairs", type=int, default=9, help="of runs of the digits members")
    add_json_option(parser)
    options = parser.parse_args(argv)
    title = "What the engine costs"
    print(header(title, PACKAGES))
    rows = list(simulated())
    if not options.simulate:
        rows += [*over_serial(options.pairs), *on_the_wire()]
    for row in rows:
        beside = f", {row.peer} {row.theirs:.4g}" if row.theirs else ""
        print(f"  {row.what}: {row.ours:.4g} {row.unit}{beside}; {'reached' if row.reached else 'NOT reached'}")
    write_record(options.json, "cluster", title, rows, PACKAGES)


# Beside a serial run


def over_serial(pairs: int) -> Iterator[Comparison]:
    """Train four digits members in this process, and by one warm worker of the engine, in turns."""
    with tempfile.TemporaryDirectory() as folder, local_engine(slots(1)) as engine:
        ways: dict[str, Way] = {
            "serial": lambda session, tasks: train_serially(session, tasks, lambda: None, NullProgress()),
            "engine": lambda session, tasks: train_in_parallel(session, tasks, engine, lambda: None, NullProgress()),
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(pairs + 1):
            for name in sorted(ways, reverse=number % 2 == 1):  # neither is always the first of its pair
                taken[name].append(_taken(Path(folder) / name / str(number), ways[name], engine))
    what = f"four digits members by one warm worker, {pairs} pairs"
    measured = {name: np.array(each[1:]) for name, each in taken.items()}  # the first pair warms up
    for place, unit in enumerate(("time", "CPU time")):
        ours, theirs = (measured[name][:, place] for name in ("engine", "serial"))
        ratios = ours / theirs
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        serial = float(np.median(theirs))
        print(f"  {unit}: {middle:.3f} times the serial run's, half of the pairs from {low:.3f} to {high:.3f}")
        yield Comparison(f"{what}: {unit}", "s", middle * serial, "the serial run", serial, target=1 / OVERHEAD)


def _taken(results: Path, way: Way, engine: Engine) -> tuple[float, float]:
    """Return the seconds that a way takes, and those of CPU time of this process and its workers."""
    members = ("linear", "mlp", "lenet", "resnet_digits")
    session = Session(Options("digits", members, results=results, train="missing", device="cpu"))
    tasks = [task for row in schedule(session)[0] for task in row]
    session.keep_targets()
    used, began = _cpu_seconds(engine), time.perf_counter()
    way(session, tasks)
    seconds = time.perf_counter() - began
    return seconds, _cpu_seconds(engine) - used


def _cpu_seconds(engine: Engine) -> float:
    """Return the CPU time that this process and the workers have had."""
    return time.process_time() + sum(engine.client.run(time.process_time).values())


# On the wire


def on_the_wire(members: int = 40, kinds: Sequence[str] = ("uniform", "greedy", "weighted")) -> Iterator[Comparison]:
    """Search as `--engine` does, and count the bytes."""
    logits, targets = made_up(members, 3589, 7)
    cores = available()
    with local_engine([Slot((cores[0],), 1), Slot((cores[-1],), 1)]) as engine:
        while len(engine.facts) < 2:
            engine.next(0.1)
        before = loopback_bytes()
        with by_workers(engine, logits, targets) as jobs:
            search(logits, targets, kinds, n_jobs=jobs)
        sent = loopback_bytes() - before
    what = "on the wire, a search by two workers"
    yield Comparison(what, "GB", sent / 1e9, "the logits", logits.nbytes / 1e9, target=1 / BYTES)


def loopback_bytes() -> int:
    """Count the bytes that the loopback interface has carried."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    (loopback,) = [line for line in lines if line.strip().startswith("lo:")]
    return int(loopback.partition(":")[2].split()[0])


# A thousand members


class Clockwork:
    """An engine whose workers take the time that a training takes by estimate, on a clock that jumps."""

    def __init__(self, seconds: dict[str, float], workers: int) -> None:
        self.address, self.run, self.any_code, self.has_own_workers = "clockwork", "run", False, True
        facts = Facts("host", "cpu", "hardware", "", 1, "", code(), (), 0)
        self.facts = {str(number): facts for number in range(workers)}
        self.orders: dict[str, Order] = {}
        self.elsewhere: dict[str, str] = {}
        self.now = 0.0
        self._seconds = seconds
        self._ends: list[tuple[float, str]] = []

    def look_again(self) -> None:
        """There is nothing new."""

    def submit(self, worker: str, order: Order) -> None:
        self.orders[worker] = order
        heapq.heappush(self._ends, (self.now + self._seconds[order.configuration.stem], worker))

    def next(self, seconds: float) -> list[Said]:
        """Return the answer that comes first."""
        self.now, worker = heapq.heappop(self._ends)
        facts = self.facts[worker]
        return [{"kind": "done", "key": self.orders.pop(worker).key, "facts": facts, "host": facts.host}]


def simulated(members: int = MEMBERS, workers: int = WORKERS) -> Iterator[Comparison]:
    """Hand out many members, and compare with the least time in which it could be done."""
    tasks = made_up_tasks(members)
    engine: Any = Clockwork({task.stem: task.step.seconds for task in tasks}, workers)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        session: Any = SimpleNamespace(
            options=Options(), device="cpu", mirror=None, folder=place, checkpoints=place / "checkpoints"
        )
        began = time.process_time()
        done, failed = train_in_parallel(session, tasks, engine, lambda: None, NullProgress())
    assert len(done) == members and not failed
    what = f"{members:,} members on {workers} workers"
    seconds = time.process_time() - began
    yield Comparison(what, "s", engine.now, "the least possible", least(tasks, workers), target=1 / FLOOR)
    yield Comparison(f"{what}, work of the run itself", "s", seconds, target=10.0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    yield Comparison(f"{what}, memory of the run itself", "GB", peak, target=0.5)


def made_up_tasks(members: int) -> list[Task]:
    """Return trainings of all lengths, every tenth of a student."""
    random = np.random.default_rng(0)
    seconds = random.lognormal(np.log(MIDDLE), SPREAD, members)
    plain = registry.get("mlp")
    nothing = np.zeros((1, 10), np.float32)
    fold: Any = SimpleNamespace(index=0, count=1, place="", targets=SimpleNamespace(val=np.zeros(1, np.int64)))
    fold.load = lambda its: Predictions(its, nothing, nothing, {"train_seconds": 1.0})
    tasks = []
    for number in range(members):
        labels = Labels(teacher=f"mlp:{number - 1}") if number % 10 == 9 else Labels()
        name = "pupil" if number % 10 == 9 else plain.name
        member = replace(plain, name=name, recipe=replace(plain.recipe, labels=labels))
        configuration = Configuration(member, number, "f" * 32, 10)
        tasks.append(Task(fold, Step(configuration, None, True, float(seconds[number]), ""), f"{name}, {number}"))
    return tasks


def least(tasks: Sequence[Task], workers: int) -> float:
    """Return the least seconds in which so many workers can do it: their share of all, or the longest chain."""
    by_seed = {task.step.configuration.seed: task.step.seconds for task in tasks}
    chains = (seconds + (by_seed[seed - 1] if seed % 10 == 9 else 0.0) for seed, seconds in by_seed.items())
    return max(sum(by_seed.values()) / workers, max(chains))


if __name__ == "__main__":
    main()

"""What happens in a worker process: it trains the members that it is handed, one at a time, and says how it goes.

All that it says goes to the run that asked as an event of Dask's scheduler, also the answer: events keep their order,
and so the answer of a worker that leaves comes before the news that it is gone. Predictions go to the store.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.digests import code
from benchmarks.execution.executor import CHECKPOINT_EVERY_SHARED, execute, limit_threads, reason, train_context
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.sharing import bring, put
from benchmarks.execution.slots import CARDS
from benchmarks.execution.stopping import LEAVE
from benchmarks.fold import Fold
from benchmarks.provenance import cpu_cores, device_name, library_versions, resolve_device
from benchmarks.session import Options, Session
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration
from benchmarks.store.mirror import address_of, mirrored
from zoo import registry
from zoo.training.compiling import lacking_for_gpu_code

if TYPE_CHECKING:
    from distributed import Worker

    from zoo.training.job import Progress

PAUSE = 1.0
"""Seconds between two reports of how far a training is; what comes sooner is dropped here."""

Sources = tuple[tuple[str, str | None], ...]
"""Of each of the user's modules with members its name, and its text where it is a file."""


@dataclass(frozen=True)
class Order:
    """What a worker is sent: a member on the data of one fold, for the run that asks.

    `key` tells one attempt from another, and what is said of it from all else.
    """

    run: str
    key: str
    options: Options
    sources: Sources
    configuration: Configuration
    fold: int = 0
    compiled: bool = False


class _State:
    """Of this process: the training that goes on, and the reasons to stop it."""

    training = ""  # the stem
    leaving = ""  # why this worker has to go
    asked: dict[str, str] = {}  # noqa: RUF012, by run, why all its trainings are to stop
    images = ExitStack()  # of the fold that was trained on last
    fold: Fold | None = None


def announced() -> dict[str, Any]:
    """Say what this process has: host, device, threads, code; imports torch."""
    device = resolve_device("auto")
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "device": device,
        "hardware": device_name(device),
        "card": os.environ.get(CARDS, ""),
        "cores": cpu_cores(),
        "lacking": lacking_for_gpu_code() or "",
        "code": code(),
        "libraries": tuple(library_versions().items()),
    }


def training() -> str:
    """Return the stem of what is trained now; empty where nothing is."""
    return _State.training


def leave(why: str = LEAVE) -> None:
    """Have the training of now save its state and end, and those that come not begin."""
    _State.leaving = why


def stop_run(run: str, why: str) -> None:
    """Have the trainings of a run save their states and end, and those that come not begin."""
    _State.asked[run] = why


def train_member(order: Order) -> None:
    """Train a member where the store does not hold it; what there is to say goes to the run."""
    from distributed import get_worker

    line = _Line(order, get_worker())
    _State.training = order.configuration.stem
    line.say("begun")
    try:
        kind, text = _outcome(order, line)
    finally:
        _State.training = ""
    line.say(kind, text=text)


class _Line(NullProgress):
    """The way to the run that asked."""

    def __init__(self, order: Order, worker: Worker) -> None:
        self._order, self._worker = order, worker
        self._said = float("-inf")

    def say(self, kind: str, **content: Any) -> None:
        self._worker.log_event(self._order.run, {"kind": kind, "key": self._order.key, **content})

    def note(self, text: str) -> None:
        self.say("note", text=text)

    def progress(self, progress: Progress, label: str = "") -> None:
        if (now := time.monotonic()) - self._said > PAUSE:
            self._said = now
            self.say("progress", **vars(progress))

    def stop(self) -> str | None:
        retired = LEAVE if self._worker.status.name == "closing_gracefully" else ""
        return _State.asked.get(self._order.run) or _State.leaving or retired or None


def _outcome(order: Order, line: _Line) -> tuple[str, str]:
    """Return the kind of answer, and what it says: `done`, `left` (to be handed out again), `memory`, `failed`."""
    from torch import OutOfMemoryError

    from zoo.training.loop import Stopped

    asked = _State.asked.get(order.run)
    if asked or line.stop():
        return ("failed", f"not started: {asked}") if asked else ("left", "")
    try:
        return _trained(order, line)
    except Stopped as error:
        return ("failed", reason(error)) if order.run in _State.asked else ("left", "")
    except OutOfMemoryError as error:
        return "memory", reason(error)
    except Exception as error:  # one member must not cost the others their result
        return "failed", reason(error)


def _trained(order: Order, line: _Line) -> tuple[str, str]:
    session, configuration = session_of(order.options, order.sources), order.configuration
    known = registry.get(configuration.name)  # a file of the user's has another path, and module, on each machine
    configuration = replace(configuration, member=replace(configuration.member, builder=known.builder))
    fold = session.folds[order.fold]
    bring(session, configuration)
    if order.options.train != "always" and _stored(fold, configuration):
        put(session, configuration)  # it may have been kept back by a bucket that did not answer
        return "done", "its predictions were there"
    limit_threads(int(os.environ["OMP_NUM_THREADS"]))
    fingerprint = _hold(fold)
    if fingerprint != configuration.data:
        return "failed", f"the images here are of other data ({fingerprint[:12]}) than the run is about"
    context = replace(train_context(session, line.stop, line), compiled=order.compiled)
    execute(session, fold, configuration, context)
    return "done", ""


def _stored(fold: Fold, configuration: Configuration) -> bool:
    """Say whether another worker has trained it meanwhile: one that was taken for lost, or another run's."""
    try:
        return fold.load(configuration) is not None
    except StoreError:
        return False


def _hold(fold: Fold) -> str:
    """Read the images of a fold, and keep them for the next member; return their fingerprint."""
    if fold is not _State.fold:
        _State.fold = None
        _State.images.close()
        _State.images.enter_context(fold.images())
        _State.fold = fold
    with fold.images() as dataset:
        return dataset.fingerprint


@lru_cache(maxsize=1)
def session_of(options: Options, sources: Sources) -> Session:
    """Begin a session here with the options of a run; the user's modules come as text, and are written down."""
    results = mirrored(options.address) if options.address else options.results
    session = Session(replace(options, results=results, zoo=tuple(_written(*source) for source in sources)))
    if session.mirror is not None:
        session.mirror.fetch(*(f"{session.suite.name}/predictions/{kind}." for kind in ("targets", "folds")))
    return session


def _written(name: str, text: str | None) -> str:
    from distributed import get_worker

    if text is None:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(get_worker().local_directory) / digest / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def sources_of(options: Options) -> Sources:
    """Return the user's modules with members as they are sent to workers: files by their content."""
    paths = [(source, Path(source)) for source in options.zoo]
    return tuple((path.name, path.read_text("utf-8")) if path.is_file() else (source, None) for source, path in paths)


def options_for_workers(options: Options, device: str = "auto") -> Options:
    """Return a run's options as they hold on other machines with the same shared folders."""
    path = options.data.path
    data = options.data if path is None else replace(options.data, path=path.absolute())
    results = options.results.absolute()
    every = options.checkpoint_every
    if every is None and options.engine:
        every = CHECKPOINT_EVERY_SHARED
    options = replace(options, data=data, results=results, address=address_of(results), device=device)
    return replace(options, checkpoint_every=every, engine="", side_by_side=1, zoo=())


def fingerprint(options: Options, sources: Sources) -> str:
    """Return the fingerprint of the images here, of the first fold; raise DataError."""
    return session_of(options, sources).folds[0].fingerprint


def keep_targets(options: Options, sources: Sources) -> None:
    """Store what scores predictions, from the images here; raise DataError."""
    session_of(options, sources).keep_targets()

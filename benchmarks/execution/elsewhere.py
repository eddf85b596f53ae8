"""The workers of an engine as what trains: asked for what they have, and whether they run the same code."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks.data import DataError
from benchmarks.digests import code
from benchmarks.execution.connection import address_of
from benchmarks.execution.engine import Engine
from benchmarks.execution.facts import Facts
from benchmarks.execution.hardware import HERE, Hardware, Here
from benchmarks.execution.placement import LONELY, no_worker
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.trainer import fingerprint, keep_targets, options_for_workers, sources_of
from benchmarks.formats import columns
from benchmarks.provenance import library_versions
from benchmarks.session import WORTH_PROCESSES, Options, Session
from ensembles.arrays import IntArray, LogitArray
from ensembles.streaming import StackedMembers

GLANCE = 1.0  # seconds between two looks for the first worker


@contextmanager
def place_of(options: Options, display: NullProgress) -> Iterator[Here]:
    """Yield what trains by these options; raise ValueError where no scheduler answers."""
    if not options.engine:
        yield HERE
        return
    try:
        engine = Engine(address_of(options.engine), options.other_code)
    except ValueError as error:
        raise ValueError(f"--engine {options.engine}: {error}") from error
    try:
        yield Elsewhere(engine, display)
    finally:
        engine.close()


class Elsewhere(Here):
    """The workers of a scheduler, which need the suite's images where they are; this machine does not."""

    def __init__(self, engine: Engine, display: NullProgress) -> None:
        self.engine, self._display = engine, display

    def prepare(self, session: Session) -> None:
        """Have a worker store what scores predictions, where neither that nor the images are here."""
        try:
            for fold in session.folds:
                _ = fold.targets
        except DataError:
            self._wait_for_a_worker()
            options = session.options
            self.engine.answer_of(keep_targets, options_for_workers(options), sources_of(options))

    def hardware(self, session: Session) -> Hardware:
        """Return what the workers have, of the one kind of device that is used; the session then knows it, too."""
        self._wait_for_a_worker()
        everyone = list(self.engine.facts.values())
        if not self.engine.any_code:
            _check_code(everyone)
        wanted = session.options.device
        kinds = {facts.device for facts in everyone}
        device = wanted if wanted != "auto" else "cuda" if "cuda" in kinds else "cpu"
        used = [facts for facts in everyone if facts.device == device]
        if not used:
            raise ValueError(f"--device {device}: the workers of {self.engine.address} have {', '.join(sorted(kinds))}")
        if len(used) < len(everyone):
            self._display.note(
                f"{len(everyone) - len(used)} workers without {device} are not used: numbers would differ"
            )
        counted = Counter(facts.hardware for facts in used)
        crowd = ", ".join(f"{count} x {hardware}" for hardware, count in counted.items())
        self._display.note(f"workers of {self.engine.address}: {crowd}")
        session.device = device
        return Hardware(device, max(facts.cores for facts in used), used[0].lacking or None)

    def fingerprint(self, session: Session) -> str:
        """Return the fingerprint of the images that a worker finds; raise DataError."""
        self._wait_for_a_worker()
        options = session.options
        return str(self.engine.answer_of(fingerprint, options_for_workers(options), sources_of(options)))

    def searching(
        self, session: Session, logits: LogitArray | StackedMembers, targets: IntArray
    ) -> AbstractContextManager[int]:
        """Have the workers search where that pays and there are several: joblib sends them its jobs.

        Logits that lie in files, for they are too many for memory, are searched where they lie.
        """
        self.engine.look()
        count, predictions = len(self.engine.facts), math.prod(logits.shape)
        if isinstance(logits, StackedMembers) or session.options.jobs or count < 2 or predictions < WORTH_PROCESSES:
            return super().searching(session, logits, targets)
        return by_workers(self.engine, logits, targets)

    def _wait_for_a_worker(self) -> None:
        since, told = time.monotonic(), False
        while not self.engine.facts:
            self.engine.next(GLANCE)
            if not told and time.monotonic() - since > LONELY:
                told = True
                self._display.note(no_worker(self.engine.address))


@contextmanager
def by_workers(engine: Engine, logits: LogitArray, targets: IntArray) -> Iterator[int]:
    """Have joblib send its jobs to the workers while the context lasts; yield how many workers there are.

    Logits and targets are sent once and stay for all of a search: joblib would send them anew with every round of
    cross-fits. Its own way to say so (`scatter`) sends by broadcast, of which Dask tells everyone who listens to its
    events, in words that cannot be sent, so that the connection is lost (2026.8).
    """
    from joblib import parallel_config
    from joblib.parallel import get_active_backend

    with parallel_config(backend="dask", client=engine.client):
        sent = [logits, targets]
        get_active_backend()[0].data_futures |= dict(zip(map(id, sent), engine.client.scatter(sent), strict=True))
        yield len(engine.facts)


def _check_code(everyone: list[Facts]) -> None:
    """Raise ValueError, with a table, where workers run other code or other libraries than this run."""
    ours = {"code": code(), **library_versions()}
    rows = []
    for facts in everyone:
        theirs = {"code": facts.code, **dict(facts.libraries)}
        rows += [
            {"host": facts.host, "what": name, "here": ours[name], "there": its}
            for name, its in theirs.items()
            if name in ours and _significant(name, its) != _significant(name, ours[name])
        ]
    if rows:
        table = columns([dict(row) for row in {tuple(row.items()): None for row in rows}])
        raise ValueError(
            f"workers run other code or libraries than this run:\n{table}\nInstall the same there, or allow it by "
            "--other-code: numbers may then differ by where a member was trained"
        )


def _significant(name: str, version: str) -> str:
    """Return the part of a version that may change numbers: of Python the first two places."""
    return ".".join(version.split(".")[:2]) if name == "python" else version

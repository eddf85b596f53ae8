"""Which run trains a member, said to others that share its results: a claim, which expires.

It spares work and guards nothing: of two that train a member the first to store it wins (`store/mirror.py`), and a
claim that could not be written, or was lost, costs a second training at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any

from benchmarks.files import machine
from benchmarks.store.objects import ObjectStore

EXPIRES, RENEWED = 900.0, 60.0
"""Seconds after which a claim is anybody's, and between two times that its holder renews it."""


class Claims:
    """What this run claims among those that share an object store; it lets go of all at the end of the `with`."""

    def __init__(self, store: ObjectStore, folder: str, renewed: float = RENEWED) -> None:
        self._store, self._folder, self._every = store, folder, renewed
        self._held: dict[str, str] = {}  # tag of the version that this run wrote, by name
        self._since, self._lock, self._over = time.time(), Lock(), Event()
        self._renewing = Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Claims:
        self._renewing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for name in list(self._held):
            self._let_go(name)

    def take(self, stem: str) -> str | None:
        """Claim a member; return None where it is this run's now, else who trains it and since when."""
        name = f"{self._folder}/{stem}.claim"
        with contextlib.suppress(OSError), self._lock:
            if name in self._held:
                return None
            etag = self._store.create(name, self._content())
            if etag is None and (found := self._store.read(name)) is not None:
                holder = _read(found[0])
                if not _is_over(holder):
                    return f"{holder['host']} (process {holder['process']}) since {_clock(holder['since'])}"
                etag = self._store.replace(name, self._content(), found[1])
                if etag is None:
                    return "another run that was faster"
            if etag is not None:
                self._held[name] = etag
        return None

    def release(self, stem: str) -> None:
        """Let go of a member that is trained, or cannot be."""
        self._let_go(f"{self._folder}/{stem}.claim")

    def _let_go(self, name: str) -> None:
        with contextlib.suppress(OSError), self._lock:
            etag = self._held.pop(name, None)
            found = None if etag is None else self._store.read(name)
            if found is not None and found[1] == etag:
                self._store.delete(name)

    def _renew(self) -> None:
        while not self._over.wait(self._every):
            for name in list(self._held):
                with contextlib.suppress(OSError, KeyError), self._lock:
                    etag = self._store.replace(name, self._content(), self._held[name])
                    if etag is None:  # it had expired, and is another's
                        del self._held[name]
                    else:
                        self._held[name] = etag

    def _content(self) -> bytes:
        claim = {
            "host": platform.node(),
            "machine": machine(),
            "process": os.getpid(),
            "since": self._since,
            "renewed": time.time(),
        }
        return json.dumps(claim).encode()


def remove_given_up(folder: Path) -> None:
    """Remove the claims in a folder of this machine that are over: their runs were killed, and nobody may ask again.

    A run that takes one over at this very moment loses its claim, which spares work and guards nothing.
    """
    for path in folder.glob("*.claim"):
        with contextlib.suppress(OSError):  # results that may only be read
            if _is_over(_read(path.read_bytes())):
                path.unlink(missing_ok=True)


def _read(content: bytes) -> Mapping[str, Any]:
    """Read a claim; one that cannot be read is over."""
    try:
        claim = json.loads(content)
        return {
            "host": str(claim["host"]),
            "machine": str(claim["machine"]),
            "process": int(claim["process"]),
            "since": float(claim["since"]),
            "renewed": float(claim["renewed"]),
        }
    except (ValueError, KeyError, TypeError):
        return {"host": "", "machine": "", "process": 0, "since": 0.0, "renewed": 0.0}


def _is_over(claim: Mapping[str, Any]) -> bool:
    """Say whether a claim is too old, or its holder was a process of this machine that has ended."""
    if abs(time.time() - claim["renewed"]) > EXPIRES:
        return True
    if os.name != "posix" or claim["machine"] != machine():
        return False
    try:
        os.kill(claim["process"], 0)
        return _has_ended(claim["process"])
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # it is another user's
        return False


def _has_ended(process: int) -> bool:
    """Say whether a process has ended that nobody has waited for, as in containers without an init; Linux says so."""
    try:
        state = (
            Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
        )
    except (OSError, IndexError):
        return False
    return state in ("Z", "X")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S")

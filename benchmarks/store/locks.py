"""One writer at a time in a store's folder, for what is read, changed and written back."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.files import CannotWrite

PATIENCE = 60.0  # seconds; a store is held for a fraction of one
NAME, HOLDER = ".lock", ".lock.holder"


class Occupied(ValueError):
    """A folder that another process keeps for itself; the message says which, since when, and what to do."""


@contextmanager
def locked(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Keep other processes from changing a store's folder, which is made where it is missing.

    Raises CannotWrite, and Occupied where another process holds it for longer than so many seconds. Do not nest.
    """
    lock, holder = FileLock(folder / NAME, timeout=patience, mode=0o666), folder / HOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise Occupied(
            f"{folder} is being written by {_told(holder)}, and was not free for {patience:.0f} s. Try again when it "
            f"is done; where no such process runs, remove {folder / NAME}"
        ) from error
    except OSError as error:
        raise CannotWrite(folder, error) from error
    try:
        with contextlib.suppress(OSError):  # it is for others to read; the lock holds without it
            holder.write_text(_myself(), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def remove_left_holder(folder: Path) -> None:
    """Remove what a process that was killed has left to say that it holds a folder; where one holds it, that stays."""
    if (folder / HOLDER).exists():
        with contextlib.suppress(Occupied, CannotWrite), locked(folder, patience=0):
            pass


def _myself() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "a user without a name"
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    return f"{user} on {platform.node()} (process {os.getpid()}) since {since}"


def _told(holder: Path) -> str:
    try:
        text = holder.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "another process"
    return "".join(character for character in text if character.isprintable())[:200] or "another process"

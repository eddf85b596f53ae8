"""When a training saves its state, and without waiting for the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread

from zoo.sealed import publish
from zoo.training.checkpoint import State, Stateful, packed


class Saver:
    """Writes states of one training to a file, in a thread: the next steps do not wait for a disk elsewhere."""

    def __init__(self, path: Path, every: float, saved: Callable[[Path], None] = lambda path: None) -> None:
        self.path, self._every, self._saved = path, every, saved
        self._last = float("-inf")
        self._writing: Thread | None = None
        self._error: OSError | None = None

    @property
    def is_due(self) -> bool:
        """Say whether the state was saved last so long ago as it should be: yes for the first time."""
        return time.monotonic() - self._last >= self._every

    def save(self, state: State, parts: Mapping[str, Stateful]) -> None:
        """Begin to write the state, then raise the OSError of the time before, if there was one."""
        content = packed(state, parts)
        if self._writing is not None:
            self._writing.join()
        error, self._error = self._error, None
        self._last = time.monotonic()
        self._writing = Thread(target=self._write, args=(content,))
        self._writing.start()
        if error is not None:
            raise error

    def wait(self) -> None:
        """Wait until the state is written; raise OSError."""
        if self._writing is not None:
            self._writing.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _write(self, content: bytes) -> None:
        try:
            publish(self.path, content)
            self._saved(self.path)
        except OSError as error:
            self._error = error

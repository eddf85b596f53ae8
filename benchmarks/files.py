"""Write a file so that no reader ever sees half of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def replace_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` with a draft's path, then put the draft at `path`; the old file stays whole until the new one is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two runs apart; in the same folder, on one file system, the final rename is atomic.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `path`, making its folder."""
    replace_atomically(path, lambda draft: draft.write_bytes(content.encode() if isinstance(content, str) else content))

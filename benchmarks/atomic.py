"""Write a file so that no reader ever sees half of it."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `path`, making its folder; the old file stays whole until the new one is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two runs apart; the same folder keeps the rename on one file system, where it is atomic.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(draft, path)

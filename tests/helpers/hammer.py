"""Write and read one path as fast as can be: `python -m tests.helpers.hammer FOLDER SECONDS`; prints what came of it.

Other processes do the same, also in other containers. Every content is sealed by its digest: a torn one is seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.store.objects import Folder
from zoo.sealed import publish

SIZES = (10, 100_000)  # bytes, in turn: a torn file would be of another length


def content(number: int) -> bytes:
    body = os.urandom(SIZES[number % len(SIZES)])
    return hashlib.sha256(body).digest() + body


def is_whole(found: bytes) -> bool:
    return hashlib.sha256(found[32:]).digest() == found[:32]


def hammer(folder: Path, seconds: float) -> dict[str, int]:
    """Return how many writes, creations, replacements and reads there were, and how many went wrong."""
    store, counted, number = Folder(folder), Counter[str](errors=0, torn=0), 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        number += 1
        try:
            write_atomic(folder / "written", content(number))
            publish(folder / "published", content(number))
            counted["created"] += store.create("created", content(number)) is not None
            known = store.read("created")
            counted["replaced"] += known is not None and store.replace("created", content(number), known[1]) is not None
            counted["written"] += 2
            for name in ("written", "published", "created"):
                found = store.read(name)
                assert found is not None, f"{name} is gone"
                counted["read"] += 1
                counted["torn"] += not is_whole(found[0])
        except (OSError, AssertionError) as error:
            counted["errors"] += 1
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return dict(counted)


if __name__ == "__main__":
    print(json.dumps({"process": os.getpid(), **hammer(Path(sys.argv[1]), float(sys.argv[2]))}))

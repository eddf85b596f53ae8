"""Texts in the headers of stored files: whoever wrote a file, they are judged before any report shows them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.store.container import StoreError
from benchmarks.text import fault, texts_in, told

NAME = re.compile(r"[\w@+.-]{1,200}")
LONGEST = 10_000  # characters of any text in a header


def check_texts(path: Path, name: str, header: Any) -> None:
    """Raise StoreError where a model of this name, or a text in the header of its file, could not be shown."""
    if not NAME.fullmatch(name):
        raise StoreError(f"{told(path.name)}: {told(repr(name))} is no name of a model")
    for text in texts_in(header):
        if reason := fault(text, LONGEST):
            raise StoreError(f"{told(path.name)}: a text in its header, {told(repr(text))}, {reason}")

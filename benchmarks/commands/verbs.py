"""The verbs of the command line: every file of this folder whose docstring says how it is called.

A docstring that begins "Compare two runs: `python benchmark.py compare A B`." makes a verb of its file: before the
colon stands its line of help, in the quotes its name and an example of its arguments. The file has the two functions of
Command. Help reads the docstrings alone, and imports nothing that stands below them.
"""

from __future__ import annotations

import importlib
import re
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, cast

DEFAULT = "run"  # meant where no verb is named
HEAD = 600  # characters of a file, in which its docstring says how it is called
CALL = re.compile(r'"""(?P<summary>[^`"]+): `python benchmark\.py (?P<name>[a-z-]+)(?P<example>[^`"]*)`')


class Command(Protocol):
    """What the module of a verb offers."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Add its arguments."""

    def execute(self, arguments: Namespace) -> int | None:
        """Do it; return the exit code where it is not 0, raise ValueError or OSError for bad input."""


@dataclass(frozen=True)
class Verb:
    """What can be known of a verb without importing its module; `example` are arguments to call it with."""

    name: str
    summary: str
    example: str
    module: str

    def load(self) -> Command:
        """Its module, imported."""
        return cast(Command, importlib.import_module(f"{__package__}.{self.module}"))


@cache
def verbs() -> dict[str, Verb]:
    """All verbs by name: `run` first, the others in alphabetical order."""
    found = (verb for path in Path(__file__).parent.glob("*.py") if (verb := _read(path)) is not None)
    return {verb.name: verb for verb in sorted(found, key=lambda verb: (verb.name != DEFAULT, verb.name))}


def _read(path: Path) -> Verb | None:
    """The verb of a file; None of a file that is no verb."""
    with path.open(encoding="utf-8") as file:
        call = CALL.match(file.read(HEAD))
    if call is None:
        return None
    summary, name, example = (" ".join(call[group].split()) for group in ("summary", "name", "example"))
    return Verb(name, summary, example, path.stem)

"""Suites, data, evaluation and reports: what turns members and ensembles into a leaderboard.

`run(Options(suite="digits", train="missing"))` is what `python benchmark.py --suite digits --train missing` does, and
returns its results; `suites` holds the benchmarks. All are imported when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks import suites
    from benchmarks.pipeline import run
    from benchmarks.session import Options

__all__ = ["Options", "run", "suites"]

PLACES = {"Options": "benchmarks.session", "run": "benchmarks.pipeline"}


def __getattr__(name: str) -> Any:
    if name == "suites":
        return import_module("benchmarks.suites")
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

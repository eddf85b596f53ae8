"""The suites: every module of this package that defines SUITES adds them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from benchmarks.suites.suite import Suite
from zoo.registry import UnknownName


@cache
def suites() -> dict[str, Suite]:
    """Return all suites by name: modules in alphabetical order, each in its own."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return {suite.name: suite for module in modules for suite in getattr(module, "SUITES", ())}


def get(name: str) -> Suite:
    """Return the suite of that name; raise UnknownName with near matches."""
    if name not in suites():
        raise UnknownName("suite", name, suites())
    return suites()[name]

"""Ensemblers by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ensembles.aliases import hint
from ensembles.base import Ensembler


class UnknownEnsemblerError(ValueError):
    """No ensembler is registered under this name."""


_REGISTRY: dict[str, type[Ensembler]] = {}
EnsemblerType = TypeVar("EnsemblerType", bound=type[Ensembler])


def register(ensembler: EnsemblerType) -> EnsemblerType:
    """Enter the decorated class under its `name`; ValueError where the name is taken."""
    if ensembler.name in _REGISTRY:
        raise ValueError(f"two ensemblers are named {ensembler.name!r}: {_REGISTRY[ensembler.name]} and {ensembler}")
    _REGISTRY[ensembler.name] = ensembler
    return ensembler


def names() -> list[str]:
    """Return the registered names, the simplest first, then by alphabet."""
    return sorted(_REGISTRY, key=lambda name: (_REGISTRY[name].complexity, name))


def get(name: str) -> type[Ensembler]:
    """Return the class that is registered under `name`.

    UnknownEnsemblerError for another name; it says what an alias means here, or near matches.
    """
    if name not in _REGISTRY:
        registered = {known: _REGISTRY[known] for known in names()}
        raise UnknownEnsemblerError(f"no ensembler named {name!r}; {hint(name, registered)}")
    return _REGISTRY[name]


def create(name: str, **options: Any) -> Ensembler:
    """Make an ensembler by name, with options of its constructor."""
    factory: Callable[..., Ensembler] = get(name)
    return factory(**options)

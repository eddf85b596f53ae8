"""Ensemblers: numpy in, numpy out.

    import ensembles

    fitted = ensembles.Greedy(steps=50).fit(val_logits, val_targets)  # or ensembles.create("greedy", steps=50)
    fitted.score(test_logits, test_targets)
    everything = ensembles.search(val_logits, val_targets)  # all methods, fitted and cross-fitted
    headline = ensembles.choose(everything)
    ensembles.save(fitted, "ensemble.safetensors")

Members' logits `[members, samples, classes]` go in, class probabilities `[samples, classes]` come out. Every module of
this package is imported here, so a new ensembler is one new file with a `@register` in it, and its class is a name of
the package. Importing costs numpy and nothing else: scipy, scikit-learn, xgboost and safetensors are imported by the
functions that need them.

`ensembles.search` is the function; the module of that name gives its other names by `from ensembles.search import ...`.
"""

from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ensembles.aliases import meant
from ensembles.arrays import log_softmax, softmax
from ensembles.base import Ensembler
from ensembles.registry import UnknownEnsemblerError, create, get, names, register

for _module in iter_modules(__path__):
    if _module.name != "readme":  # a command: `python -m` warns of a module that is there before it
        import_module(f"{__name__}.{_module.name}")

# After the loop: to import a module binds its name here, and `search` is to be the function.
from ensembles.persistence import load, save  # noqa: E402
from ensembles.samples_first import samples_first  # noqa: E402
from ensembles.search import SearchResult, choose, search  # noqa: E402

__all__ = [
    "Ensembler",
    "SearchResult",
    "UnknownEnsemblerError",
    "choose",
    "create",
    "get",
    "load",
    "log_softmax",
    "names",
    "register",
    "samples_first",
    "save",
    "search",
    "softmax",
]


def _classes() -> dict[str, type[Ensembler]]:
    """Return the registered ensemblers by the name of their class."""
    return {get(name).__name__: get(name) for name in names()}


def __getattr__(name: str) -> Any:
    classes = _classes()
    if name in classes:
        return classes[name]
    others = [get(other).__name__ for other in meant(name, {other: get(other) for other in names()})]
    near = others or get_close_matches(name, [*__all__, *classes], n=3)
    raise AttributeError(
        f"module 'ensembles' has no attribute {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *_classes()})

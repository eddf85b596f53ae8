"""Ensemblers: numpy in, numpy out.

Members' logits `[members, samples, classes]` go in, class probabilities `[samples, classes]` come out. Every module of
this package is imported here, so a new ensembler is one new file with a `@register` in it. Importing costs numpy and
nothing else: scipy, scikit-learn and xgboost are imported by the methods that need them.
"""

from importlib import import_module
from pkgutil import iter_modules

from ensembles.base import Ensembler, UnknownEnsemblerError, create, get, log_softmax, names, register, softmax

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Ensembler", "UnknownEnsemblerError", "create", "get", "log_softmax", "names", "register", "softmax"]

"""Members from elsewhere in a store: external models, and members that were trained on another suite."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from benchmarks.store.container import StoreError, read_header
from benchmarks.store.file_names import is_external, model_in
from benchmarks.store.folds import stored_folds
from benchmarks.store.headers import PredictionsHeader
from benchmarks.store.identity import FROM
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets
from benchmarks.text import told
from zoo import registry

LONGEST_SHOWN = 100  # characters of a name that cannot be
NAME = re.compile(r"[A-Za-z][\w+-]{0,59}", re.ASCII)  # no dot: the store's file names are split at dots


def external_files(store: PredictionStore) -> list[Path]:
    """List the files of external models."""
    return [path for path in store.prediction_files() if is_external(path)]


def external_names(store: PredictionStore) -> list[str]:
    """List the names of the external models that have a file in the store, fitting or not."""
    return sorted({model_in(path) for path in external_files(store)})


def transferred_names(store: PredictionStore) -> list[str]:
    """List the names of the members from other suites that have a file in the store, fitting or not."""
    return sorted({name for path in store.prediction_files() if FROM in (name := model_in(path))})


def load_external(
    store: PredictionStore, targets: Targets, wanted: Collection[str]
) -> tuple[list[Predictions], list[str]]:
    """Load the predictions of the external models of these names, by name; say why a file of theirs is not used."""
    loaded: dict[str, Predictions] = {}
    notes = []
    for path in external_files(store):
        name = model_in(path)
        if name not in wanted:
            continue
        try:
            if name in loaded:
                raise StoreError(f"{path.name}: is a second file of {name}; remove the one that is not meant")
            check_name(name)
            loaded[name] = store.read(path, targets)
        except StoreError as error:
            notes.append(str(error))
    return list(loaded.values()), notes


def load_transferred(
    store: PredictionStore, targets: Targets, wanted: Collection[str]
) -> tuple[list[Predictions], list[str]]:
    """Load the predictions of the members from other suites of these names; say why a file of theirs is not used.

    Files of other folds of the same data are skipped.
    """
    loaded, notes, other_folds = [], [], set(stored_folds(store.folder)) - {targets.fingerprint}
    for path in store.prediction_files():
        if model_in(path) in wanted:
            try:
                if read_header(path, PredictionsHeader)["configuration"]["data"] in other_folds:
                    continue
                loaded.append(store.read(path, targets))
            except StoreError as error:
                notes.append(str(error))
    return loaded, notes


def check_name(name: str) -> None:
    """Raise StoreError where an external model cannot bear this name."""
    if not NAME.fullmatch(name):
        raise StoreError(
            f"{told(repr(name), LONGEST_SHOWN)} cannot name a model: letters, digits, _, + and -, a letter first, 60 "
            "at most (--name)"
        )
    if name in registry.members():
        raise StoreError(f"{name!r} is a member of the zoo: give the external model another name (--name)")


def remarks(models: Iterable[Predictions]) -> list[str]:
    """Collect what a reader must know of how these models came to be, each remark once."""
    return list(dict.fromkeys(remark for model in models for remark in model.provenance.get("remarks", ())))

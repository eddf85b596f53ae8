"""Fits of ensemblers that are known: kept by the content of all that decides them, in results/SUITE/local/fits.

An ensembler's fits follow from its class and options, the code of `ensembles/`, the libraries, and the members' logits
and the targets of val. All of it is in the name of the file: what changed asks for another file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import ensembles
from benchmarks.digests import code, digest, libraries
from benchmarks.files import write_atomic
from ensembles.search import SearchResult, search

FORMAT = "fer-ensembles/fits/1"
UNUSED_DAYS = 14  # after so many days without use a file is removed
ARRAYS = ("cross_fit_correct", "cross_fit_probabilities")
FACTS = ("name", "title", "complexity", "fit_accuracy", "cross_fit_accuracy", "seconds", "fitted_on")


@dataclass(frozen=True, eq=False)
class Validation:
    """What ensemblers are fitted on: logits float32 [members, N, classes] and targets int64 [N] of val, the members'
    names, and groups [N] that are held out together."""

    logits: np.ndarray
    targets: np.ndarray
    labels: Sequence[str]
    groups: np.ndarray | None
    folds: int


def search_known(val: Validation, names: Sequence[str], folder: Path, *, fresh: bool, jobs: int) -> list[SearchResult]:
    """Search ensembles as `ensembles.search` does, and fit only what `folder` does not hold; all, where `fresh`.

    The results are the same, to the bit.
    """
    stems = {name: folder / f"{name}.{key}" for name, key in _keys(val, names)}
    known = {} if fresh else {name: found for name, stem in stems.items() if (found := _load(stem)) is not None}
    missing = [name for name in names if name not in known]
    if missing:
        fitted = search(val.logits, val.targets, missing, val.folds, n_jobs=jobs, labels=val.labels, groups=val.groups)
        for result in fitted:
            known[result.name] = result
            if result.error is None and result.name in stems:
                _save(result, stems[result.name])
    _sweep(folder)
    return [known[name] for name in names]


def _keys(val: Validation, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of ensemblers of this package, each with the key of its fits."""
    data = digest(
        [
            *(str(part) for part in (val.logits.shape, val.logits.dtype, val.targets.dtype, val.folds)),
            np.ascontiguousarray(val.logits).tobytes(),
            np.ascontiguousarray(val.targets).tobytes(),
            *val.labels,
            "" if val.groups is None else "|".join(map(str, val.groups)),
        ]
    )
    common = digest([FORMAT, code("ensembles"), libraries(), data])
    for name in names:
        if ensembles.get(name).__module__.partition(".")[0] == "ensembles":  # of other code nobody has a digest
            yield name, digest([common, name])[:16]


def _save(result: SearchResult, stem: Path) -> None:
    """Write a search result as two files: the fitted ensembler, then the scores, with a digest of both."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    ensembler = stem.with_name(f"{stem.name}.ensembler")
    ensembles.save(result.ensembler, ensembler)
    arrays = {name: np.ascontiguousarray(array) for name in ARRAYS if (array := getattr(result, name)) is not None}
    facts = json.dumps({name: getattr(result, name) for name in FACTS})
    write_atomic(_scores(stem), save(arrays, {"json": facts, "digest": _digest(facts, arrays, ensembler)}))


def _load(stem: Path) -> SearchResult | None:
    """Read what `_save` wrote; None where nothing is there, or something else than was written."""
    ensembler, scores = stem.with_name(f"{stem.name}.ensembler"), _scores(stem)
    if not scores.is_file() or not ensembler.is_file():
        return None
    try:
        with safe_open(scores, framework="numpy") as file:
            said = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the handle is no mapping
        if said["digest"] != _digest(said["json"], arrays, ensembler):
            return None
        for path in (scores, ensembler):
            path.touch()
        missing = {name: None for name in ARRAYS if name not in arrays}
        return SearchResult(ensembler=ensembles.load(ensembler), **json.loads(said["json"]), **arrays, **missing)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None  # it is fitted again


def _scores(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.safetensors")


def _digest(facts: str, arrays: dict[str, np.ndarray], ensembler: Path) -> str:
    """Return a digest of all that the two files of a result say."""
    parts = (part for name in sorted(arrays) for part in (name, str(arrays[name].shape), arrays[name].tobytes()))
    return digest([facts, *parts, ensembler.read_bytes()])


def _sweep(folder: Path) -> None:
    """Remove what no run has used for long."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)

"""Fits of ensemblers that are known: kept by the content of all that decides them, in results/SUITE/local/fits.

An ensembler's fits follow from its class and options, the code of `ensembles/`, the libraries, and the members' logits
and the targets of val; what it predicts, from its fit and the members' logits there. All of it is in the name of a
file: what has changed asks for another file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors.numpy import load, save

import ensembles
from benchmarks.data.mapped import on_disk
from benchmarks.digests import code, digest, libraries
from benchmarks.evaluation.models import predict_by
from benchmarks.files import write_atomic
from benchmarks.processes import spread
from ensembles.search import SearchResult, search
from ensembles.streaming import StackedMembers
from zoo.sealed import Damaged, read, seal

FORMAT = "fer-ensembles/fits/1"
UNUSED_DAYS = 14  # after so many days without use a file is removed
ARRAYS = ("cross_fit_correct", "cross_fit_losses", "cross_fit_probabilities")
FACTS = ("name", "title", "complexity", "fit_accuracy", "cross_fit_accuracy", "seconds", "fitted_on")
PREDICTED = "probabilities"


@dataclass(frozen=True, eq=False)
class Validation:
    """What ensemblers are fitted on: logits float32 [members, N, classes] and targets int64 [N] of val, the members'
    names, and groups [N] that are held out together."""

    logits: np.ndarray | StackedMembers
    targets: np.ndarray
    labels: Sequence[str]
    groups: np.ndarray | None
    folds: int
    method_seconds: float | None = None  # that one fit may take


class KnownFits:
    """Searches ensembles on one val, and predicts by them, as `ensembles.search` does: the results are the same, to the
    bit. Only what `folder` does not hold is computed; all of it, where `fresh`."""

    def __init__(self, val: Validation, folder: Path, *, fresh: bool = False) -> None:
        self.val, self.folder, self.fresh = val, folder, fresh
        self._stems: dict[str, Path] = {}
        self._ahead: dict[Path, np.ndarray] = {}
        self._digests: list[tuple[np.ndarray | StackedMembers, str]] = []

    def search(self, names: Sequence[str], jobs: int = 1) -> list[SearchResult]:
        """Fit and cross-fit the ensemblers of these names, in their order; `jobs` processes fit what is not known."""
        self._stems = {name: self.folder / f"{name}.{key}" for name, key in _keys(self.val, names)}
        stems = {} if self.fresh else self._stems
        known = {name: found for name, stem in stems.items() if (found := _load(stem)) is not None}
        val = self.val
        results = search(
            cast(np.ndarray, val.logits),  # which checks treat as an array
            val.targets,
            names,
            val.folds,
            n_jobs=jobs,
            labels=val.labels,
            groups=val.groups,
            known=known,
            method_seconds=val.method_seconds,
        )
        for result in results:
            stem = self._stems.get(result.name)
            before = known[result.name].repeats if result.name in known else 0
            if result.error is None and stem is not None and result.repeats > before:
                _save(result, stem)
        self._keep_val(results)
        _sweep(self.folder)
        return [_apart(result) for result in results] if isinstance(val.logits, StackedMembers) else results

    def _keep_val(self, results: Sequence[SearchResult]) -> None:
        """Keep what the search has predicted of val, for `predict` not to compute it again."""
        found = [(result, result.val_probabilities) for result in results if result.val_probabilities is not None]
        for result, probabilities in found:
            if (path := self._path(result, self.val.logits)) is not None:
                self._ahead[path] = self._keep(path, probabilities)

    def predict(self, result: SearchResult, logits: np.ndarray | StackedMembers) -> np.ndarray:
        """Return the probabilities float64 [N, classes] that a fitted ensembler gives to members' logits."""
        path = self._path(result, logits)
        if path is None:
            return predict_by(result, logits)
        known = self._ahead.pop(path) if path in self._ahead else self._known(path)
        return self._keep(path, predict_by(result, logits)) if known is None else known

    def predict_ahead(self, results: Sequence[SearchResult], logits: np.ndarray, jobs: int) -> None:
        """Have `jobs` processes compute what `predict` will be asked for and does not know."""
        lacking = list[tuple[SearchResult, Path]]()
        for result in results:
            path = self._path(result, logits)
            if result.ensembler is None or path is None or path in self._ahead:
                continue
            if (known := self._known(path)) is None:
                lacking.append((result, path))
            else:
                self._ahead[path] = known  # not read again
        found = spread(predict_by, [(result, logits) for result, _ in lacking], jobs)
        for (_, path), probabilities in zip(lacking, found, strict=True):
            self._ahead[path] = self._keep(path, probabilities)

    def _path(self, result: SearchResult, logits: np.ndarray | StackedMembers) -> Path | None:
        """Return the file of what a fit predicts, by the digest of the logits; None where nothing is kept."""
        stem = self._stems.get(result.name)
        return None if stem is None else stem.with_name(f"{stem.name}.{self._digest(logits)}.predicted")

    def _digest(self, logits: np.ndarray | StackedMembers) -> str:
        """Return the digest of logits, which is computed once: every ensembler predicts by the same."""
        for known, found in self._digests:
            if known is logits:
                return found
        self._digests.append((logits, digest(_bytes_of(logits))[:16]))
        return self._digests[-1][1]

    def _known(self, path: Path) -> np.ndarray | None:
        return None if self.fresh else _read(path, b"")[1].get(PREDICTED)

    def _keep(self, path: Path, probabilities: np.ndarray) -> np.ndarray:
        with suppress(OSError):  # as in `_save`
            _write(path, {}, {PREDICTED: probabilities}, b"")
        return probabilities


def _apart(result: SearchResult) -> SearchResult:
    """Return a result whose probabilities lie on the disk: where logits are many, so are these."""
    held_out = result.cross_fit_probabilities
    return result if held_out is None else replace(result, cross_fit_probabilities=on_disk(held_out))


def _keys(val: Validation, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of ensemblers of this package, each with the key of its fits."""
    data = digest(
        [
            *(str(part) for part in (val.logits.shape, val.logits.dtype, val.targets.dtype, val.folds)),
            *_bytes_of(val.logits),
            np.ascontiguousarray(val.targets).tobytes(),
            *val.labels,
            "" if val.groups is None else "|".join(map(str, val.groups)),
        ]
    )
    common = digest([FORMAT, code("ensembles"), libraries(), data])
    for name in names:
        if ensembles.get(name).__module__.partition(".")[0] == "ensembles":  # of other code nobody has a digest
            yield name, digest([common, name])[:16]


def _bytes_of(logits: np.ndarray | StackedMembers) -> Iterator[bytes]:
    """Yield the bytes of an array, or those of one member after the other where these lie apart."""
    yield from (np.ascontiguousarray(part).tobytes() for part in getattr(logits, "members", [logits]))


def _save(result: SearchResult, stem: Path) -> None:
    """Write a search result as two files: the fitted ensembler, then the scores, with a digest of both.

    Where they cannot be written, the next run computes them again.
    """
    ensembler = _ensembler(stem)
    arrays = {name: array for name in ARRAYS if (array := getattr(result, name)) is not None}
    with suppress(OSError):
        ensembles.save(result.ensembler, ensembler)
        _write(_scores(stem), {name: getattr(result, name) for name in FACTS}, arrays, ensembler.read_bytes())


def _load(stem: Path) -> SearchResult | None:
    """Read what `_save` wrote; None where nothing is there, or something else than was written."""
    ensembler = _ensembler(stem)
    if not ensembler.is_file():
        return None
    facts, arrays = _read(_scores(stem), ensembler.read_bytes())
    if not facts:
        return None
    _mark_used(ensembler)
    known: dict[str, Any] = {**facts, **{name: arrays.get(name) for name in ARRAYS}}
    return SearchResult(ensembler=ensembles.load(ensembler), **known)


def _ensembler(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.ensembler")


def _scores(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.scores")


def _write(path: Path, facts: dict[str, Any], arrays: dict[str, np.ndarray], beside: bytes) -> None:
    """Write facts and arrays, sealed, with a digest of what lies `beside` them."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    said = {"json": json.dumps(facts), "beside": digest([beside])}
    write_atomic(path, seal(save(whole, said)), rebuilt=True)


def _read(path: Path, beside: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what `_write` wrote; nothing where no file is there, or another than was written: it is computed again."""
    try:
        found = read(path)
    except (Damaged, OSError):
        return {}, {}
    if not found.proven or found.facts.get("beside") != digest([beside]):
        return {}, {}
    _mark_used(path)
    return json.loads(found.facts["json"]), load(found.content)


def _mark_used(path: Path) -> None:
    with suppress(OSError):  # in results that may only be read
        path.touch()


def _sweep(folder: Path) -> None:
    """Remove what no run has used for long."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError):  # another run may have removed it
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

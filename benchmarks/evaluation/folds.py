"""Folds put together: each is searched on its own validation images alone, and all test images are scored at once.

Every image of the data is in the test part of exactly one fold and in the validation part of another, so rows of the
folds are joined end to end. Nothing is fitted across folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, cast

import numpy as np

from benchmarks.evaluation.models import ScoredModel
from benchmarks.store.identity import Configuration, Transferred
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import OPTIONAL, Targets
from ensembles import Ensembler
from ensembles.search import SearchResult


@dataclass(frozen=True, eq=False)
class SearchedModels:
    """What there is to score: targets, the models' predictions, the ensemblers found on val, what all rows say, and the
    predictions of models `excluded` from the ensembles."""

    targets: Targets
    predictions: list[Predictions]
    search_results: list[SearchResult]
    rows: list[ScoredModel]
    excluded: list[Predictions] = field(default_factory=list)
    test_folds: np.ndarray | None = None  # int64 [N], the fold in which an image is test, where there are several


@dataclass(frozen=True)
class InFolds(Configuration):
    """A member trained once a fold, on the data of all; `hashes` are those of its configurations, fold by fold, and
    `called` is what each of them is called."""

    hashes: tuple[str, ...]
    called: str

    @property
    def name(self) -> str:
        return self.called

    def described(self) -> dict[str, Any]:
        return {**super().described(), "folds": list(self.hashes)}


@dataclass(frozen=True, eq=False)
class FittedInFolds:
    """An ensembler fitted once a fold, as reports ask for it: mean weights, and the members that any fit uses."""

    reference: str
    library: str
    weights_: np.ndarray | None
    members_used_: np.ndarray
    fits: tuple[np.ndarray, ...]  # the members that each fold's fit uses


def fits_of(ensembler: Ensembler) -> tuple[np.ndarray, ...]:
    """Return the members used by each fold's fit, or by the only one; an image is classified by one of them."""
    return ensembler.fits if isinstance(ensembler, FittedInFolds) else (ensembler.members_used_,)


def pool(parts: Sequence[SearchedModels]) -> SearchedModels:
    """Pool the folds: the same models and ensemblers in each, in the same order. One part stays as it is."""
    if len(parts) == 1:
        return parts[0]
    targets = pooled_targets([part.targets for part in parts])
    predictions, excluded = (
        [pooled_predictions(folds, targets.fingerprint) for folds in zip(*models, strict=True)]
        for models in ([part.predictions for part in parts], [part.excluded for part in parts])
    )
    search_results = [pooled_result(folds) for folds in zip(*(part.search_results for part in parts), strict=True)]
    failed = {result.name for result in search_results if result.error is not None}
    kept = [[row for row in part.rows if row.kind == "member" or row.name not in failed] for part in parts]
    rows = [replace(folds[0], **_joined(folds), held_out=_held_out(folds)) for folds in zip(*kept, strict=True)]
    test_folds = np.repeat(np.arange(len(parts)), [len(part.targets.test) for part in parts])
    return SearchedModels(targets, predictions, search_results, rows, excluded, test_folds)


def _held_out(folds: Sequence[ScoredModel]) -> np.ndarray | None:
    known = [row.held_out for row in folds if row.held_out is not None]
    repeats = min(map(len, known), default=0)  # one fold may have repeated what another had no need to
    return np.concatenate([part[:repeats] for part in known], axis=1) if len(known) == len(folds) else None


def pooled_targets(folds: Sequence[Targets]) -> Targets:
    """Join the targets of all folds end to end; train has the mean size.

    The fingerprint is that of the folds' own, in order.
    """
    fingerprint = hashlib.blake2b("".join(fold.fingerprint for fold in folds).encode(), digest_size=16).hexdigest()
    kept = {name: _end_to_end([fold.extras().get(name) for fold in folds]) for name in OPTIONAL}
    train_size = round(fmean(fold.train_size for fold in folds))
    joined: dict[str, Any] = {**_joined(folds), **kept}
    return replace(folds[0], fingerprint=fingerprint, train_size=train_size, **joined)


def _end_to_end(arrays: Sequence[np.ndarray | None]) -> np.ndarray | None:
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None


def pooled_predictions(folds: Sequence[Predictions], fingerprint: str) -> Predictions:
    """Join one member's logits of all folds end to end.

    Times are summed over the folds, but for a member from another suite that of training, which happened once.
    """
    first = cast(Configuration, folds[0].configuration)
    hashes = tuple(fold.configuration.hash for fold in folds)
    configuration = InFolds(first.member, first.seed, fingerprint, first.num_classes, hashes, first.name)
    provenance = {
        **folds[0].provenance,
        "train_seconds": _of_all(folds[:1] if isinstance(first, Transferred) else folds, "train_seconds", sum),
        "inference_seconds": _of_all(folds, "inference_seconds", sum),
        "images_per_second": _of_all(folds, "images_per_second", fmean),
        "device": " and ".join(sorted({str(fold.provenance.get("device")) for fold in folds})),
        "best_epoch": None,  # another one in each fold
        "fold_accuracies": None,
    }
    return Predictions(configuration, **_joined(folds), provenance=provenance)


def _of_all(folds: Sequence[Predictions], key: str, reduce: Callable[[list[float]], float]) -> float | None:
    values = [fold.provenance.get(key) for fold in folds]
    known = [value for value in values if value is not None]
    return reduce(known) if len(known) == len(values) else None


def pooled_result(folds: Sequence[SearchResult]) -> SearchResult:
    """Pool one ensembler's fits: scores over all validation images; failed where it failed in any fold."""
    first = folds[0]
    errors = [f"fold {place}: {fold.error}" for place, fold in enumerate(folds, start=1) if fold.error is not None]
    correct = np.concatenate([fold.cross_fit_correct for fold in folds])
    fitted = np.average([fold.fit_accuracy for fold in folds], weights=[len(fold.cross_fit_correct) for fold in folds])
    return replace(
        first,
        # Reports read of it what FittedInFolds has, and nothing predicts by it.
        ensembler=None if errors else cast(Ensembler, _fitted([cast(Ensembler, fold.ensembler) for fold in folds])),
        fit_accuracy=float(fitted),
        cross_fit_accuracy=float(correct.mean()),
        cross_fit_correct=correct,
        cross_fit_losses=np.concatenate([fold.cross_fit_losses for fold in folds]),
        cross_fit_probabilities=None,  # those are in the folds' rows
        val_probabilities=None,
        seconds=sum(fold.seconds for fold in folds),
        error=errors[0] if errors else None,
    )


def _fitted(folds: Sequence[Ensembler]) -> FittedInFolds:
    fits = tuple(fold.members_used_ for fold in folds)
    weights = [fold.weights_ for fold in folds]
    known = [own for own in weights if own is not None]
    mean = np.mean(known, axis=0) if len(known) == len(weights) else None
    return FittedInFolds(folds[0].reference, folds[0].library, mean, np.unique(np.concatenate(fits)), fits)


def _joined(folds: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return `val` and `test` of all folds, end to end."""
    return {split: np.concatenate([getattr(fold, split) for fold in folds]) for split in ("val", "test")}

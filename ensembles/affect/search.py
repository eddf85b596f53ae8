"""Every way of combining valence and arousal, fitted on validation alone and cross-fitted there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ensembles.affect.base import AffectEnsembler, AffectMean, AffectStacking, AffectWeights, rated
from ensembles.arrays import FloatArray

FOLDS = 5


@dataclass(frozen=True)
class Kind:
    """A combination by its name in the results; `new` makes an unfitted one."""

    title: str
    new: Callable[[], AffectEnsembler]


KINDS: Mapping[str, Kind] = {  # simplest first: of equal scores the first is chosen
    "affect_mean": Kind(AffectMean.title, AffectMean),
    "affect_weights": Kind(f"{AffectWeights.title}, least squared error", AffectWeights),
    "affect_weights_ccc": Kind(f"{AffectWeights.title}, best concordance", lambda: AffectWeights("ccc")),
    "affect_stacking": Kind(AffectStacking.title, AffectStacking),
}


@dataclass(frozen=True, eq=False)
class AffectSearchResult:
    """A fitted combination.

    `fitted` and `cross_fitted` `[samples, 2]` are its predictions on validation: of the fit on all of it, and of fits
    that have not seen the sample. The ensembler is None where the fit failed, and `error` says why.
    """

    name: str
    title: str
    ensembler: AffectEnsembler | None
    fitted: FloatArray
    cross_fitted: FloatArray
    error: str | None = None


def search_affect(
    predictions: npt.ArrayLike, targets: npt.ArrayLike, random_state: int = 0
) -> list[AffectSearchResult]:
    """Fit all KINDS on predictions `[members, samples, 2]` and targets `[samples, 2]` of validation.

    Results come in the order of KINDS. Samples without a rating take part in no fit. ValueError where fewer than FOLDS
    samples are rated.
    """
    values, truth = np.asarray(predictions, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    known = np.flatnonzero(rated(truth))
    if len(known) < FOLDS:
        raise ValueError(f"{len(known)} rated samples cannot be split into {FOLDS} folds")
    shuffled = np.random.default_rng(random_state).permutation(known)
    held_out = [np.sort(part) for part in np.array_split(shuffled, FOLDS)]
    return [_found(name, kind, values, truth, known, held_out) for name, kind in KINDS.items()]


def _found(
    name: str,
    kind: Kind,
    values: FloatArray,
    truth: FloatArray,
    known: npt.NDArray[np.int64],
    held_out: list[npt.NDArray[np.int64]],
) -> AffectSearchResult:
    cross_fitted = np.full_like(truth, np.nan)
    try:
        ensembler = kind.new().fit(values, truth)
        for part in held_out:
            seen = np.setdiff1d(known, part)
            cross_fitted[part] = kind.new().fit(values[:, seen], truth[seen]).predict(values[:, part])
    except Exception as error:  # whatever one method raises must not cost the others their result
        return AffectSearchResult(
            name, kind.title, None, cross_fitted, cross_fitted, f"{type(error).__name__}: {error}"
        )
    return AffectSearchResult(name, kind.title, ensembler, ensembler.predict(values), cross_fitted)

"""Combining predictions of valence and arousal: a mean, weights on the simplex, stacking.

Predictions are `[members, samples, 2]`, targets `[samples, 2]`: valence and arousal in [-1, 1]. A sample whose target
is NaN or -2 in either (AffectNet's mark for "no face" and "uncertain") takes no part in a fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from ensembles.arrays import BoolArray, FloatArray
from ensembles.estimator import Parameters
from ensembles.strengths import check_strengths

UNRATED = -2.0
OBJECTIVES = ("squared_error", "ccc")


def rated(targets: npt.ArrayLike) -> BoolArray:
    """Return which samples of targets `[N, 2]` have a rating; ValueError for another shape or rating."""
    array = np.asarray(targets, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"targets must have the shape [samples, 2], got {list(array.shape)}")
    known: BoolArray = ~(np.isnan(array) | (array == UNRATED)).any(axis=1)
    outside = known & (np.abs(array) > 1).any(axis=1)
    if outside.any():
        raise ValueError(f"ratings must lie in [-1, 1] or be -2 or NaN; sample {np.flatnonzero(outside)[0]} does not")
    return known


class AffectEnsembler(Parameters, ABC):
    """Combines the members' valence and arousal. Constructor, fitted attributes and parameters are as in `Ensembler`.

    `weights_` is `[members, 2]`, each column on the simplex, or None where the combination is not a weighted mean.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    fitted: ClassVar[tuple[str, ...]] = ("weights_", "member_count_")

    weights_: FloatArray | None

    def fit(self, predictions: npt.ArrayLike, targets: npt.ArrayLike) -> Self:
        """Fit on predictions `[members, samples, 2]` and targets `[samples, 2]`.

        ValueError on bad input, or where no sample is rated.
        """
        checked, truth = _check_predictions(predictions), np.asarray(targets, dtype=np.float64)
        known = rated(truth)
        if len(truth) != checked.shape[1]:
            raise ValueError(f"targets must have the shape [{checked.shape[1]}, 2], got {list(truth.shape)}")
        if not known.any():
            raise ValueError("no sample has a rating: all targets are -2 or NaN")
        self.weights_ = None
        self._fit(checked[:, known], truth[known])
        self.member_count_ = len(checked)
        return self

    def predict(self, predictions: npt.ArrayLike) -> FloatArray:
        """Return valence and arousal `[samples, 2]` in [-1, 1], float64; ValueError on bad input or before `fit`."""
        if not hasattr(self, "member_count_"):
            raise ValueError(f"{self.name} is not fitted: call fit first")
        checked = _check_predictions(predictions)
        if len(checked) != self.member_count_:
            raise ValueError(f"fitted on {self.member_count_} members, got predictions of {len(checked)}")
        return np.clip(self._predict(checked), -1.0, 1.0)

    def _predict(self, predictions: FloatArray) -> FloatArray:
        assert self.weights_ is not None
        combined: FloatArray = np.einsum("md,mnd->nd", self.weights_, predictions)
        return combined

    @abstractmethod
    def _fit(self, predictions: FloatArray, targets: FloatArray) -> None: ...


def _check_predictions(predictions: npt.ArrayLike) -> FloatArray:
    array = np.asarray(predictions, dtype=np.float64)
    if array.ndim != 3 or array.shape[2] != 2 or not array.size:
        raise ValueError(f"predictions must have the shape [members, samples, 2], got {list(array.shape)}")
    if not np.isfinite(array).all():
        member, sample, _ = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"predictions must be finite; the first that is not is at member {member}, sample {sample}")
    return array


@dataclass
class AffectMean(AffectEnsembler):
    """The mean of all members. doi:10.1016/0169-2070(89)90012-5"""

    name: ClassVar[str] = "affect_mean"
    title: ClassVar[str] = "Mean of valence and arousal"
    reference: ClassVar[str] = "doi:10.1016/0169-2070(89)90012-5"

    def _fit(self, predictions: FloatArray, targets: FloatArray) -> None:
        self.weights_ = np.full((len(predictions), 2), 1.0 / len(predictions))


@dataclass
class AffectWeights(AffectEnsembler):
    """Weights on the simplex, separate for valence and arousal.

    They have the least squared error (exact), or the best concordance correlation (`objective="ccc"`: a local optimum,
    at least as good as the weights of the least squared error). Needs scipy.

    Breiman 1996, stacked regressions: doi:10.1007/BF00117832. CCC, Lin 1989: doi:10.2307/2532051
    """

    objective: str = "squared_error"

    name: ClassVar[str] = "affect_weights"
    title: ClassVar[str] = "Weights for valence and arousal"
    reference: ClassVar[str] = "doi:10.1007/BF00117832"

    def _fit(self, predictions: FloatArray, targets: FloatArray) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {self.objective!r}")
        columns = []
        for dimension in range(2):
            own, truth = predictions[:, :, dimension], targets[:, dimension]
            weights = least_squares_weights(own, truth)
            columns.append(weights if self.objective == "squared_error" else concordant_weights(own, truth, weights))
        self.weights_ = np.stack(columns, axis=1)


def least_squares_weights(predictions: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the weights `[M]` on the simplex with the least squared error of `weights @ predictions` `[M, N]`.

    On the simplex the error of the mixture is the mixture of errors E: minimise |E w|^2. Non-negative least squares of
    E w = 0 with the row sum(w) = 1 has its solution at a multiple of those weights: along a ray, the best multiple
    leaves q / (1 + q) with q = |E w|^2 / sum(w)^2.
    """
    from scipy.optimize import nnls

    errors = (predictions - targets).T
    scale = float(np.sqrt((errors**2).sum(axis=0).mean())) or 1.0
    rows = np.linalg.qr(errors / scale, mode="r")
    weights, _ = nnls(np.vstack([rows, np.ones(len(predictions))]), np.append(np.zeros(len(rows)), 1.0))
    simplex: FloatArray = weights / weights.sum()
    return simplex


def concordant_weights(predictions: FloatArray, targets: FloatArray, start: FloatArray) -> FloatArray:
    """Return weights `[M]` on the simplex of the best concordance correlation, from `start` and from equal weights."""
    from scipy.optimize import minimize

    members = len(predictions)
    moments = np.cov(np.vstack([predictions, targets]), bias=True)
    means = predictions.mean(axis=1) - targets.mean()

    def loss(weights: FloatArray) -> float:
        return descend(weights)[0]

    def descend(weights: FloatArray) -> tuple[float, FloatArray]:
        spread = moments[:-1, :-1] @ weights
        offset = float(means @ weights)
        room = float(weights @ spread) + moments[-1, -1] + offset**2
        if room <= 0:
            return 0.0, np.zeros(members)
        ccc = 2.0 * float(moments[-1, :-1] @ weights) / room
        return -ccc, (2.0 * ccc * (spread + offset * means) - 2.0 * moments[-1, :-1]) / room

    ends = [start]
    total = {"type": "eq", "fun": lambda weights: weights.sum() - 1.0, "jac": np.ones_like}
    for begin in (start, np.full(members, 1.0 / members)):
        options = {"ftol": 1e-13, "maxiter": 500}
        end = minimize(
            descend, begin, jac=True, method="SLSQP", bounds=[(0, 1)] * members, constraints=[total], options=options
        )
        weights = np.maximum(end.x, 0.0)
        ends.append(weights / weights.sum())
    return min(ends, key=loss)


@dataclass
class AffectStacking(AffectEnsembler):
    """Ridge regression on all members' valence and arousal, fitted to the error of the members' mean.

    The strength of its penalty has the lowest leave-one-out error. The stronger it is, the nearer the result is to the
    mean. Needs scikit-learn.

    Wolpert 1992: doi:10.1016/S0893-6080(05)80023-1
    """

    strengths: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1000.0)

    name: ClassVar[str] = "affect_stacking"
    title: ClassVar[str] = "Stacking of valence and arousal"
    reference: ClassVar[str] = "doi:10.1016/S0893-6080(05)80023-1"
    fitted: ClassVar[tuple[str, ...]] = ("strength_", "coef_", "intercept_")

    def _fit(self, predictions: FloatArray, targets: FloatArray) -> None:
        from sklearn.linear_model import RidgeCV

        ridge = RidgeCV(alphas=check_strengths(self.strengths)).fit(
            _by_sample(predictions), targets - predictions.mean(axis=0)
        )
        self.strength_ = float(ridge.alpha_)
        self.coef_, self.intercept_ = ridge.coef_.T, ridge.intercept_

    def _predict(self, predictions: FloatArray) -> FloatArray:
        corrected: FloatArray = predictions.mean(axis=0) + _by_sample(predictions) @ self.coef_ + self.intercept_
        return corrected


def _by_sample(predictions: FloatArray) -> FloatArray:
    """Return rows `[samples, members * 2]`, divided by the root of the number of members.

    A penalty of some strength then shrinks alike whether each member is there once or twice.
    """
    return predictions.transpose(1, 0, 2).reshape(predictions.shape[1], -1) / np.sqrt(len(predictions))

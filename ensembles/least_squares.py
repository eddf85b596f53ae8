"""Weights by non-negative least squares of the one-hot targets on the members' probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, one_blas_thread, softmax
from ensembles.base import Ensembler, LinearPool
from ensembles.registry import register
from ensembles.splits import stratified_splits
from ensembles.strengths import LEAST, check_strengths, strongest_of_the_best

SMALLEST_SIZE = 1e-200  # of the sum of squares of all outputs; less is zero, and its inverse may overflow
MAX_ITERATIONS = 30  # a member, of the active-set method; two or three are usual
NEGLIGIBLE_SHARE = 1e-12  # of the uniform average in a mixture, so that no sample's row is all zeros


@register
@dataclass
class SuperLearner(LinearPool):
    """Non-negative weights whose mixture of probabilities is nearest to the one-hot targets, scaled to the simplex.

    The distance is the Brier score. Copies of a member share its weight equally. Needs scipy.

    van der Laan, Polley and Hubbard 2007: doi:10.2202/1544-6115.1309
    """

    name: ClassVar[str] = "super_learner"
    title: ClassVar[str] = "Non-negative least squares"
    reference: ClassVar[str] = "doi:10.2202/1544-6115.1309"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Weights for the squared error (Brier score), on the simplex"

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        probabilities = softmax(logits)
        true = probabilities[:, np.arange(len(targets)), targets]
        flat = probabilities.reshape(len(logits), -1)
        with one_blas_thread():
            self.weights_ = nonnegative_weights(flat @ flat.T, true.sum(axis=1), LEAST)  # makes the solution unique


def nonnegative_weights(gram: FloatArray, moment: FloatArray, strength: float) -> FloatArray:
    """Return the w >= 0 that minimises w'Gw - 2 m'w + r |w - 1/M|^2, scaled to sum to one.

    `gram` G is `[M, M]` and `moment` m is `[M]`: products of the members' outputs with each other, and with what they
    should be. r is `strength` times the trace of G, so that a strength shrinks alike for any number of samples and any
    number of copies of the members. Where all outputs are zero, the result is equal weights.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    members = len(gram)
    size = float(np.trace(gram))
    if size < SMALLEST_SIZE:
        return np.full(members, 1.0 / members)
    # A matrix of trace 1 whose rounding is far below `strength`: it has a Cholesky root.
    root = np.linalg.cholesky(gram / size + strength * np.eye(members))
    aim = solve_triangular(root, moment / size + strength / members, lower=True)
    weights, _ = nnls(root.T, aim, maxiter=MAX_ITERATIONS * members)
    simplex: FloatArray = weights / weights.sum()  # never 0: the shrinkage is towards positive weights
    return simplex


@register
@dataclass
class Classwise(Ensembler):
    """One set of weights for each class: a member that is good at fear need not be good at joy.

    The probability of class c is the mixture of the members' probabilities of c with the weights `weights_[:, c]`, over
    the sum of all classes' mixtures; each column of `weights_` `[members, classes]` is on the simplex. A column is the
    non-negative least-squares fit of the indicator of its class, shrunk towards equal weights. The strength of that
    (`strength_`, in units of the members' sum of squares) has the lowest log-loss in stratified cross-validation inside
    `fit`; ties go to the stronger. Needs scipy.

    Ting and Witten 1999: doi:10.1613/jair.594
    """

    strengths: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001, 0.0001)
    folds: int = 5
    random_state: int = 0

    name: ClassVar[str] = "classwise"
    title: ClassVar[str] = "Weights by class"
    reference: ClassVar[str] = "doi:10.1613/jair.594"
    complexity: ClassVar[int] = 4
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Members that are good at different classes"
    fitted: ClassVar[tuple[str, ...]] = ("strength_",)

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        by_class = np.ascontiguousarray(softmax(logits).transpose(2, 0, 1))  # [C, M, N]
        indicators = np.eye(len(by_class))[targets].T
        with one_blas_thread():
            folds: list[_Fold] = []
            for _, held_out in stratified_splits(targets, self.folds, 1, self.random_state):
                part = by_class.take(held_out, axis=2)
                folds.append(_Fold(part, targets[held_out], *_products(part, indicators.take(held_out, axis=1))))
            losses = dict.fromkeys(check_strengths(self.strengths), 0.0)
            for number, fold in enumerate(folds):
                # A sum over the other folds: the difference of all and one may be rounding and no Gram matrix.
                gram, moment = _total(folds[:number] + folds[number + 1 :])
                for strength in losses:
                    losses[strength] += _log_loss(fold.by_class, fold.targets, _columns(gram, moment, strength))
            self.strength_ = strongest_of_the_best(losses)
            self.weights_ = _columns(*_total(folds), self.strength_)

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        assert self.weights_ is not None
        return _mixture(softmax(logits).transpose(2, 0, 1), self.weights_).T


class _Fold(NamedTuple):
    """Probabilities `[C, M, n]` and targets `[n]` of some samples, and their `_products`."""

    by_class: FloatArray
    targets: IntArray
    gram: FloatArray
    moment: FloatArray


def _total(folds: list[_Fold]) -> tuple[FloatArray, FloatArray]:
    """Return Gram matrices `[C, M, M]` and moments `[C, M]` of all samples of the folds."""
    return np.sum([fold.gram for fold in folds], axis=0), np.sum([fold.moment for fold in folds], axis=0)


def _products(by_class: FloatArray, indicators: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Gram matrices `[C, M, M]` and moments `[C, M]` of probabilities `[C, M, N]` and indicators `[C, N]`."""
    return by_class @ by_class.transpose(0, 2, 1), (by_class @ indicators[:, :, None])[:, :, 0]


def _columns(gram: FloatArray, moment: FloatArray, strength: float) -> FloatArray:
    """Return weights `[M, C]`; each class is fitted alone."""
    return np.stack([nonnegative_weights(g, m, strength) for g, m in zip(gram, moment, strict=True)], axis=1)


def _mixture(by_class: FloatArray, weights: FloatArray) -> FloatArray:
    """Return probabilities `[C, N]`, mixed from the members' `[C, M, N]` by weights `[M, C]`."""
    safe = weights + NEGLIGIBLE_SHARE / len(weights)
    mixture: FloatArray = (safe.T[:, None, :] @ by_class)[:, 0]
    mixture /= mixture.sum(axis=0)
    return mixture


def _log_loss(by_class: FloatArray, targets: IntArray, weights: FloatArray) -> float:
    true = _mixture(by_class, weights)[targets, np.arange(len(targets))]
    return -float(np.log(np.maximum(true, np.finfo(float).tiny)).sum())

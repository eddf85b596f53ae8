"""Weights of a geometric mean by convex optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, log_softmax, one_blas_thread, softmax
from ensembles.common_scale import OnCommonScale
from ensembles.registry import register
from ensembles.weighting import to_boundary

RESIDUAL = 1e-9  # of the optimality conditions, at which the weights are found
MAX_ITERATIONS = 200
BARRIER = 0.1  # of the complementarity that is left, at which each step aims


@register
@dataclass
class LogPoolWeighted(OnCommonScale):
    """A product of experts: softmax of a weighted sum of the members' log-probabilities, by the lowest log-loss.

    Each member is at its own temperature first. Weights are not negative; their sum is free and is the inverse
    temperature of the whole, so that members that err alike are not counted for more than they know. The loss is
    convex. `ridge`, times the number of members, draws the weights to zero, so little that it only decides between
    members that say the same: copies share one's weight. ValueError where it is not positive; ArithmeticError where the
    steps do not end.

    Genest and Zidek 1986: doi:10.1214/ss/1177013825. Products of experts, Hinton 2002:
    doi:10.1162/089976602760128018
    """

    ridge: float = 1e-5

    name: ClassVar[str] = "log_pool_weighted"
    title: ClassVar[str] = "Weighted geometric mean (log-loss)"
    reference: ClassVar[str] = "doi:10.1214/ss/1177013825"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Probabilities count: the best weights for the log-loss of a product of members"
    fitted: ClassVar[tuple[str, ...]] = ("exponents_",)

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if not self.ridge > 0:
            raise ValueError(f"ridge must be positive, got {self.ridge}")
        self.learn_scale(logits, targets)
        with one_blas_thread():
            self.exponents_ = product_weights(self.on_common_scale(logits), targets, self.ridge * len(logits))

    def _influential(self, members: int) -> IntArray:
        return np.flatnonzero(self.exponents_)

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        return softmax(np.tensordot(self.exponents_, self.on_common_scale(logits), axes=1))


def product_weights(log_probabilities: FloatArray, targets: IntArray, ridge: float) -> FloatArray:
    """Minimise the mean log-loss of softmax(sum_m w_m log p_m) + ridge / 2 * |w|^2 over w >= 0, for `[M, N, C]`.

    The optimality conditions are gradient(w) = slack, slack >= 0, w * slack = 0; each iteration takes a Newton step on
    them, as `weighting.mixture_weights` does. At the end a weight below its slack is zero.
    """
    members, samples, _ = log_probabilities.shape
    columns = np.ascontiguousarray(np.moveaxis(log_probabilities, 0, 2))  # [N, C, M]
    true = columns[np.arange(samples), targets].mean(axis=0)
    weights, slack = np.full(members, 1.0 / members), np.full(members, 0.1)
    gradient, hessian = _derivatives(columns, true, weights, ridge)
    for _ in range(MAX_ITERATIONS):
        if max(float(weights @ slack), float(np.abs(gradient - slack).max())) <= RESIDUAL:
            return np.where(weights < slack, 0.0, weights)
        barrier = BARRIER * float(weights @ slack) / members
        step = np.linalg.solve(hessian + np.diag(slack / weights), barrier / weights - gradient)
        slack_step = (barrier - slack * step) / weights - slack
        length = min(to_boundary(weights, step), to_boundary(slack, slack_step))
        before = _residual(gradient, weights, slack, barrier)
        while True:
            moved, moved_slack = weights + length * step, slack + length * slack_step
            gradient, hessian = _derivatives(columns, true, moved, ridge)
            if _residual(gradient, moved, moved_slack, barrier) <= (1.0 - 0.01 * length) * before or length < 1e-6:
                break
            length /= 2.0
        weights, slack = moved, moved_slack
    raise ArithmeticError(f"weights of a product are not found in {MAX_ITERATIONS} iterations")


def _derivatives(
    columns: FloatArray, true: FloatArray, weights: FloatArray, ridge: float
) -> tuple[FloatArray, FloatArray]:
    """Return gradient `[M]` and Hessian `[M, M]`: moments of the members' log-probabilities under the product."""
    samples, classes, members = columns.shape
    product = np.exp(log_softmax(columns @ weights))
    mean = np.einsum("nc,ncm->nm", product, columns)
    scaled = (np.sqrt(product)[:, :, None] * columns).reshape(samples * classes, members)
    hessian = (scaled.T @ scaled - mean.T @ mean) / samples
    return mean.mean(axis=0) - true + ridge * weights, hessian + ridge * np.eye(members)


def _residual(gradient: FloatArray, weights: FloatArray, slack: FloatArray, barrier: float) -> float:
    return float(np.linalg.norm(np.concatenate([gradient - slack, weights * slack - barrier])))

"""Weights by convex optimisation, certified optimal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, log_likelihood, one_blas_thread
from ensembles.base import LinearPool
from ensembles.registry import register

GAP_LIMIT = 1e-6  # nats of mean log-loss that a certified solution may at most lie above the optimum
GAP_TARGET = 1e-10
NEGLIGIBLE_WEIGHT = 1e-8
MAX_ITERATIONS = 100


@register
@dataclass
class Weighted(LinearPool):
    """The weights on the simplex that minimise the log-loss of the mixture of members' probabilities.

    A convex problem, solved to a certified duality gap (`gap_`, in nats) by a primal-dual interior-point method;
    members that are copies of each other share their weight equally. ArithmeticError if the gap cannot be closed.

    Stacking of predictive distributions with the log score: doi:10.1214/17-BA1091
    """

    name: ClassVar[str] = "weighted"
    title: ClassVar[str] = "Optimal weights (log-loss)"
    reference: ClassVar[str] = "doi:10.1214/17-BA1091"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "The best weights for the log-loss: a convex problem, solved exactly"
    fitted: ClassVar[tuple[str, ...]] = ("gap_",)
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        log_true = log_likelihood(logits, targets).T
        # Scaling an image's row only shifts the log-loss. With a largest entry of 1, no image has a mixture of 0.
        likelihood = np.exp(log_true - log_true.max(axis=1, keepdims=True))
        with one_blas_thread():
            weights = mixture_weights(likelihood)
        weights[weights < NEGLIGIBLE_WEIGHT] = 0.0
        self.weights_ = weights / weights.sum()
        self.gap_ = duality_gap(likelihood, self.weights_)
        if self.gap_ > GAP_LIMIT:
            raise ArithmeticError(f"weights are not optimal: duality gap {self.gap_:.1e} nats, limit {GAP_LIMIT:.0e}")


def duality_gap(likelihood: FloatArray, weights: FloatArray) -> float:
    """Return how far, at most, the mixture's mean log-loss lies above its optimum over the simplex, in nats.

    `likelihood` is `[samples, members]`, where each row may have a positive factor of its own. The gap is
    max_m mean_i(p_im / mix_i) - 1: by concavity of the logarithm no other weights gain more, and at the optimum it is 0
    (the KKT conditions).
    """
    return float((likelihood / (likelihood @ weights)[:, None]).mean(axis=0).max() - 1.0)


def mixture_weights(likelihood: FloatArray) -> FloatArray:
    """Minimise -mean log(likelihood @ w) + sum(w) over w >= 0, for likelihood `[samples, members]`.

    The sum in the objective stands for the simplex: at the optimum it is 1, so that w >= 0 is the only constraint left.
    Its KKT conditions are gradient(w) = slack, slack >= 0, w * slack = 0; each iteration takes a Newton step on them.
    """
    samples, members = likelihood.shape
    weights = np.full(members, 1.0 / members)
    slack = np.ones(members)
    for _ in range(MAX_ITERATIONS):
        if duality_gap(likelihood, weights / weights.sum()) <= GAP_TARGET:
            break
        ratio = likelihood / (likelihood @ weights)[:, None]
        hessian = ratio.T @ ratio / samples
        barrier = 0.1 * float(weights @ slack) / members
        residual = 1.0 - ratio.mean(axis=0) - barrier / weights
        step = np.linalg.solve(hessian + np.diag(slack / weights), -residual)
        slack_step = (barrier - slack * step) / weights - slack
        length = min(to_boundary(weights, step), to_boundary(slack, slack_step))
        length = _backtrack(likelihood, weights, slack, step, slack_step, barrier, length)
        weights = weights + length * step
        slack = slack + length * slack_step
    optimum: FloatArray = weights / weights.sum()
    return optimum


def to_boundary(values: FloatArray, step: FloatArray) -> float:
    """Return the longest step, 1 at most, that keeps positive values positive."""
    shrinking = step < 0
    if not shrinking.any():
        return 1.0
    return min(1.0, 0.99 * float((-values[shrinking] / step[shrinking]).min()))


def _backtrack(
    likelihood: FloatArray,
    weights: FloatArray,
    slack: FloatArray,
    step: FloatArray,
    slack_step: FloatArray,
    barrier: float,
    length: float,
) -> float:
    """Halve the step until the residual of the perturbed KKT conditions falls, so that Newton cannot diverge."""

    def residual(length: float) -> float:
        moved, moved_slack = weights + length * step, slack + length * slack_step
        gradient = 1.0 - (likelihood / (likelihood @ moved)[:, None]).mean(axis=0)
        return float(np.linalg.norm(np.concatenate([gradient - moved_slack, moved * moved_slack - barrier])))

    start = residual(0.0)
    for _ in range(30):
        if residual(length) <= (1.0 - 0.01 * length) * start:
            break
        length /= 2
    return length

"""A gate: learned weights that depend on the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, log_likelihood, one_blas_thread, pool
from ensembles.common_scale import OnCommonScale
from ensembles.inputs import PrincipalComponents, by_feature, spreads
from ensembles.registry import register
from ensembles.splits import stratified_splits
from ensembles.strengths import FLOAT32_TIE, check_strengths, strongest_of_the_best

OVERRELAXATION = 1.5  # of a step of EM: between 0 and 2 it converges, and half the rounds reach as far as with 1
CURVED_FOR = 4  # rounds: curvature changes slowly, and is most of a round's work


@register
@dataclass
class Gating(OnCommonScale):
    """A mean of the members' probabilities whose weights are a softmax of a linear function of the image's features.

    A mixture of experts whose experts are already trained, fitted by EM to the log-loss of the mixture plus an L2
    penalty that draws it to equal weights. The penalty falls along `strengths`, with `rounds` of EM at each; which of
    them is the last (`strength_`) is chosen by the log-loss in stratified cross-validation inside `fit`, and ties go to
    the stronger. The gate sees the first `components` principal components of the members' log-probabilities, of every
    member at its own temperature and divided by their spread, or of the `features` `[samples, F]` (penultimate
    activations, say) that were given. Needs scikit-learn. ValueError for less than one component or round.

    The loss is not convex, so that what an optimiser finds depends on its steps, and, with copies of a member, on
    rounding. Here the gate is what a fixed number of steps from equal weights gives. Each step is a smooth function of
    the last: copies of a member stay equal, near copies stay near, and neither the order of members nor the rounding of
    a processor shows in more than the last digits.

    Jacobs et al. 1991: doi:10.1162/neco.1991.3.1.79. EM, Jordan and Jacobs 1994: doi:10.1162/neco.1994.6.2.181
    """

    components: int = 12
    strengths: tuple[float, ...] = (3.0, 0.3, 0.03, 0.003, 0.0003)
    rounds: int = 20
    folds: int = 3
    random_state: int = 0

    name: ClassVar[str] = "gating"
    title: ClassVar[str] = "Weights by image, gating model"
    reference: ClassVar[str] = "doi:10.1162/neco.1991.3.1.79"
    complexity: ClassVar[int] = 5
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "Members that are good at different images; takes features"
    fitted: ClassVar[tuple[str, ...]] = ("spreads_", "mean_", "axes_", "strength_", "coef_")
    takes_features: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray, features: FloatArray | None = None) -> None:
        if self.components < 1 or self.rounds < 1:
            raise ValueError(f"components and rounds must be at least 1, got {self.components} and {self.rounds}")
        if features is None:
            self.learn_scale(logits, targets)
            self.spreads_ = spreads(self.on_common_scale(logits))
        columns = self._columns(logits, features)
        log_true = log_likelihood(logits, targets)
        # Scaling an image's column only shifts the log-loss. With a largest entry of 1, no image has a mixture of 0.
        likelihood = np.exp(log_true - log_true.max(axis=0))
        with one_blas_thread():
            principal = PrincipalComponents.fit(columns, self.components)
            self.mean_, self.axes_ = principal.mean, principal.axes
            inputs = principal.of(columns)
            path = check_strengths(self.strengths)
            self.strength_ = self._choose_strength(inputs, likelihood, targets, path)
            self.coef_ = gate_path(inputs, likelihood, path[: path.index(self.strength_) + 1], self.rounds)[-1]

    def _choose_strength(
        self, inputs: FloatArray, likelihood: FloatArray, targets: IntArray, path: list[float]
    ) -> float:
        if len(path) == 1:
            return path[0]
        losses = dict.fromkeys(path, 0.0)
        # Strengths differ by far more than float32 rounds, in which a round takes half the time.
        inputs, likelihood = inputs.astype(np.float32), likelihood.astype(np.float32)
        for fit, held_out in stratified_splits(targets, self.folds, 1, self.random_state):
            gates = gate_path(inputs.take(fit, axis=1), likelihood.take(fit, axis=1), path, self.rounds)
            unseen, likely = inputs.take(held_out, axis=1), likelihood.take(held_out, axis=1)
            for strength, coef in zip(path, gates, strict=True):
                mixture = (_weights(coef, unseen) * likely).sum(axis=0)
                losses[strength] -= float(np.log(mixture).sum(dtype=np.float64))
        return strongest_of_the_best(losses, FLOAT32_TIE)

    def gate(self, logits: LogitArray, features: FloatArray | None = None) -> FloatArray:
        """Return the weights of every image, `[members, samples]`; columns sum to one. `features` are as in `fit`."""
        inputs = PrincipalComponents(self.mean_, self.axes_).of(self._columns(logits, features))
        weights: FloatArray = _weights(self.coef_, inputs)  # type: ignore[assignment]
        return weights

    def _predict_proba(self, logits: LogitArray, features: FloatArray | None = None) -> FloatArray:
        pooled = pool(logits, self.gate(logits, features))
        pooled /= pooled.sum(axis=1, keepdims=True)
        return pooled

    def _columns(self, logits: LogitArray, features: FloatArray | None) -> FloatArray:
        """Return what the gate sees, `[columns, samples]`."""
        if features is not None:
            return np.ascontiguousarray(features.T)
        return by_feature(self.on_common_scale(logits) / self.spreads_)


def _weights(coef: FloatArray, inputs: LogitArray) -> LogitArray:
    scores: LogitArray = coef.astype(inputs.dtype) @ inputs
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    return scores


def gate_path(inputs: LogitArray, likelihood: LogitArray, strengths: Sequence[float], rounds: int) -> list[FloatArray]:
    """Return the gate's coefficients `[members, inputs]` after `rounds` of EM at each strength, in this order.

    From equal weights, each round takes a step down the mean of -log(sum_m w_m(x) p_m) plus
    strength / (2 * members) * |coef|^2, where the weights w(x) are softmax(coef @ x); the loss is taken to be curved as
    it was up to three rounds before. `inputs` are `[inputs, samples]`, `likelihood` p is `[members, samples]`, where a
    sample may have a factor of its own; what is computed for every sample has their precision. The penalty is divided
    by the number of members, so that two copies of a member share what one had.
    """
    members, samples = likelihood.shape
    first, second = np.triu_indices(len(inputs))
    products = inputs[first] * inputs[second] / samples
    curvature = np.empty((members, len(inputs), len(inputs)))
    coef, path = np.zeros((members, len(inputs))), []
    for strength in strengths:
        penalty = strength / members
        for round_ in range(rounds):
            weights = _weights(coef, inputs)
            share = weights * likelihood
            share /= share.sum(axis=0)  # how likely member m is the one to trust, now that the truth is known
            # The M-step is a logistic regression on the shares. One Newton step of it, each member on its own: without
            # the members' joint curvature, -ww', the steps are too short rather than too long.
            if round_ % CURVED_FOR == 0:
                curvature[:, first, second] = curvature[:, second, first] = weights @ products.T
            share -= weights
            slope = share @ inputs.T / samples - penalty * coef
            step = np.linalg.solve(curvature + penalty * np.eye(len(inputs)), slope[:, :, None])[:, :, 0]
            coef = coef + OVERRELAXATION * step
        path.append(coef)
    return path

"""A gate: weights that depend on the image, learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.base import (
    Ensembler,
    FloatArray,
    IntArray,
    LogitArray,
    log_likelihood,
    log_softmax,
    one_blas_thread,
    register,
    softmax,
)
from ensembles.inputs import PrincipalComponents, by_feature
from ensembles.splits import stratified_splits


@register
@dataclass
class Gating(Ensembler):
    """A mean of the members' probabilities whose weights are a softmax of a linear function of the image's features.

    A mixture of experts whose experts are already trained: of all gates, the one with the lowest log-loss of the
    mixture plus an L2 penalty that draws it to equal weights. Its strength (`strength_`) has the lowest log-loss in
    stratified cross-validation inside `fit`; ties go to the stronger. The gate sees the first `components` principal
    components of the members' log-probabilities, or of the `features` `[samples, F]` (penultimate activations, say)
    that were given. Needs scipy and scikit-learn.

    Jacobs et al. 1991: doi:10.1162/neco.1991.3.1.79
    """

    components: int = 12
    strengths: tuple[float, ...] = (3.0, 0.3, 0.03)
    folds: int = 3
    random_state: int = 0

    name: ClassVar[str] = "gating"
    title: ClassVar[str] = "Weights by image, gating model"
    reference: ClassVar[str] = "doi:10.1162/neco.1991.3.1.79"
    complexity: ClassVar[int] = 5
    takes_features: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray, features: FloatArray | None = None) -> None:
        columns = _columns(logits, features)
        log_true = log_likelihood(logits, targets)
        # Scaling an image's column only shifts the log-loss. With a largest entry of 1, no image has a mixture of 0.
        likelihood = np.exp(log_true - log_true.max(axis=0))
        with one_blas_thread():
            found = PrincipalComponents.fit(columns, self.components)
            self.mean_, self.axes_ = found.mean, found.axes
            inputs = found.of(columns)
            self.strength_ = self._choose_strength(inputs, likelihood, targets)
            self.coef_ = fit_gate(inputs, likelihood, self.strength_)

    def _choose_strength(self, inputs: FloatArray, likelihood: FloatArray, targets: IntArray) -> float:
        if len(self.strengths) == 1:
            return self.strengths[0]
        losses = dict.fromkeys(sorted(self.strengths, reverse=True), 0.0)
        for fit, held_out in stratified_splits(targets, self.folds, 1, self.random_state):
            coef = None
            for strength in losses:  # each starts where the stronger ended
                coef = fit_gate(inputs[:, fit], likelihood[:, fit], strength, coef)
                mixture = (_weights(coef, inputs[:, held_out]) * likelihood[:, held_out]).sum(axis=0)
                losses[strength] -= float(np.log(mixture).sum())
        return min(losses, key=lambda strength: losses[strength])

    def gate(self, logits: LogitArray, features: FloatArray | None = None) -> FloatArray:
        """The weights of every image, `[members, samples]`; each column sums to one. `features` as in `fit`."""
        return _weights(self.coef_, PrincipalComponents(self.mean_, self.axes_).of(_columns(logits, features)))

    def _predict_proba(self, logits: LogitArray, features: FloatArray | None = None) -> FloatArray:
        pooled: FloatArray = np.einsum("mn,mnc->nc", self.gate(logits, features), softmax(logits))
        pooled /= pooled.sum(axis=1, keepdims=True)
        return pooled


def _columns(logits: LogitArray, features: FloatArray | None) -> FloatArray:
    return by_feature(log_softmax(logits)) if features is None else np.ascontiguousarray(features.T)


def _weights(coef: FloatArray, inputs: FloatArray) -> FloatArray:
    scores = coef @ inputs
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    return scores


def fit_gate(
    inputs: FloatArray, likelihood: FloatArray, strength: float, start: FloatArray | None = None
) -> FloatArray:
    """The gate's coefficients `[members, inputs]`: minimise the mean of -log(sum_m w_m(x) p_m) plus
    strength / (2 * members) * |coef|^2, from `start` (equal weights) by L-BFGS.

    `inputs` are `[inputs, samples]`, `likelihood` `[members, samples]` up to a positive factor a sample. The penalty is
    divided by the number of members, so that two copies of each member share what one had.
    """
    from scipy.optimize import minimize

    members, samples = likelihood.shape
    shape = (members, len(inputs))

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        coef = flat.reshape(shape)
        weights = _weights(coef, inputs)
        share = weights * likelihood
        mixture = share.sum(axis=0)
        share /= mixture  # how likely it is that member m is the one to trust, now that the truth is known
        weights -= share
        gradient = weights @ inputs.T / samples + strength / members * coef
        return float(-np.log(mixture).mean() + strength / (2 * members) * np.vdot(coef, coef)), gradient.ravel()

    begin = np.zeros(shape) if start is None else start
    options = {"gtol": 1e-7, "ftol": 1e-13, "maxiter": 300}
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
    coefficients: FloatArray = found.x.reshape(shape)
    return coefficients

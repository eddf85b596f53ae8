"""The inputs of a model on top of the members: the members' outputs, and the principal components of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.arrays import FloatArray

KINDS = ("logits", "probabilities")
LEAST_SPREAD = 1e-9  # of a member's outputs; below, it always says the same but for rounding
MANY_FEATURES = 1_000  # beyond, a few components are found without the covariance of all pairs of features
LEAST_VARIANCE = 1e-9  # of a principal component, as a share of the first; below is rounding


def member_outputs(log_probabilities: FloatArray, kind: str) -> FloatArray:
    """Return the members' log-probabilities (kind `logits`) or probabilities, `[members, samples, classes]`.

    ValueError for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"inputs must be one of {', '.join(KINDS)}, got {kind!r}")
    return np.exp(log_probabilities) if kind == "probabilities" else log_probabilities


def spreads(outputs: FloatArray) -> FloatArray:
    """Return the standard deviation of each member's outputs, `[members, 1, 1]`; 1 where it always says the same."""
    spread = outputs.std(axis=(1, 2), keepdims=True)
    return np.where(spread > LEAST_SPREAD, spread, 1.0)


def by_sample(outputs: FloatArray) -> FloatArray:
    """Return outputs `[members, samples, classes]` as rows `[samples, members * classes]`."""
    return outputs.transpose(1, 0, 2).reshape(outputs.shape[1], -1)


def by_feature(outputs: FloatArray) -> FloatArray:
    """Return outputs as `[members * classes, samples]`: sums over a long last axis take half the time."""
    return outputs.transpose(0, 2, 1).reshape(-1, outputs.shape[1])


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """The directions of largest variance, few and the same whatever the order of the features.

    One scale for all of them keeps the small ones, mostly noise, small. `mean` is `[features, 1]`, `axes`
    `[components, features]`.
    """

    mean: FloatArray
    axes: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, count: int) -> PrincipalComponents:
        """Find at most `count` components of `[features, samples]`; fewer where the rest is rounding."""
        mean = features.mean(axis=1, keepdims=True)
        centred = features - mean
        variances, axes = _variances(centred, count)
        first = np.argsort(-variances)[:count]
        first = first[variances[first] > LEAST_VARIANCE * variances.max()]
        axes = axes[:, first].T / np.sqrt(variances[first].sum() / count)
        # The sign of a component is arbitrary: it is such that the long tail is positive.
        return cls(mean, axes * np.where(((axes @ centred) ** 3).sum(axis=1) < 0, -1.0, 1.0)[:, None])

    def of(self, features: FloatArray) -> FloatArray:
        """Return the components of `[features, samples]` and a constant, `[components + 1, samples]`."""
        components = self.axes @ (features - self.mean)
        return np.vstack([components, np.ones(components.shape[1])])


def _variances(centred: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Return variances and axes `[features, k]` of the principal components of `[features, samples]`: of all of them,
    or of the first `count` where features are many."""
    features, samples = centred.shape
    if features <= MANY_FEATURES or count > features // 10:
        whole: tuple[FloatArray, FloatArray] = np.linalg.eigh(centred @ centred.T / samples)
        return whole
    from scipy.sparse.linalg import LinearOperator, eigsh

    covariance = LinearOperator(
        (features, features), matvec=lambda axis: centred @ (centred.T @ axis) / samples, dtype=np.float64
    )
    start = np.random.default_rng(0).normal(size=features)
    found: tuple[FloatArray, FloatArray] = eigsh(covariance, k=count, v0=start)
    return found

"""Stacking by a small neural network, in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, one_blas_thread, softmax
from ensembles.calibration import temperature
from ensembles.common_scale import OnCommonScale
from ensembles.inputs import PrincipalComponents, by_feature, member_outputs, spreads
from ensembles.registry import register
from ensembles.splits import stratified_splits

CHECK_EVERY = 5  # steps
FLAT_TANH = 20.0  # from here on it is 1 in float64
ADAM_EPSILON = 1e-6  # gradients below it are left small: rounding must not be blown up to full steps


@register
@dataclass
class StackMLP(OnCommonScale):
    """Networks with one hidden layer on the members' log-probabilities, correcting their log-opinion pool.

    Every network starts as the equal-weight pool at its best temperature and learns what to add to its
    log-probabilities. There are `folds` networks from different starts; each leaves out another stratified fold of the
    data and keeps the weights with the lowest log-loss there (`steps_`: 0 is the pool itself). The result is the mean
    of their probabilities. A network sees the first `components` principal components of the members' `inputs`: logits
    (log-probabilities) or probabilities, of every member at its own temperature and divided by their spread, so that a
    multiple of a member's logits changes nothing. Needs scikit-learn.

    Wolpert 1992: doi:10.1016/S0893-6080(05)80023-1
    """

    components: int = 16
    hidden: int = 16
    folds: int = 4
    max_steps: int = 200
    patience: int = 25
    learning_rate: float = 0.01
    inputs: str = "logits"
    random_state: int = 0

    name: ClassVar[str] = "stack_mlp"
    title: ClassVar[str] = "Stacking, small neural networks"
    reference: ClassVar[str] = "doi:10.1016/S0893-6080(05)80023-1"
    complexity: ClassVar[int] = 5
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "As `stack_logistic`, where classes depend on members in no linear way"
    fitted: ClassVar[tuple[str, ...]] = (
        "spreads_", "inverse_temperature_", "mean_", "axes_", "steps_", "inner_", "outer_",
    )  # fmt: skip
    stacks: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        self.learn_scale(logits, targets)
        scaled = self.on_common_scale(logits)
        outputs, pool = member_outputs(scaled, self.inputs), scaled.mean(axis=0)
        self.spreads_ = spreads(outputs)
        self.inverse_temperature_ = 1.0 / temperature(pool, targets)
        columns = by_feature(outputs / self.spreads_)
        with one_blas_thread():
            principal = PrincipalComponents.fit(columns, self.components)
            self.mean_, self.axes_ = principal.mean, principal.axes
            offset = np.ascontiguousarray(self.inverse_temperature_ * pool.T)
            data = (principal.of(columns), offset, np.eye(logits.shape[2])[targets].T)
            rng = np.random.default_rng(self.random_state)
            networks = []
            self.steps_ = []
            for split in stratified_splits(targets, self.folds, 1, self.random_state):
                network = _Network(len(data[0]), self.hidden, logits.shape[2], rng)
                fit, held_out = (_Part(*(array.take(images, axis=1) for array in data)) for images in split)
                steps = _train(network, fit, held_out, self.max_steps, self.patience, self.learning_rate)
                networks.append(network)
                self.steps_.append(steps)
        self.inner_ = np.stack([network.inner for network in networks])
        self.outer_ = np.stack([network.outer for network in networks])

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        components = PrincipalComponents(self.mean_, self.axes_)
        scaled = self.on_common_scale(logits)
        inputs = components.of(by_feature(member_outputs(scaled, self.inputs) / self.spreads_))
        offset = self.inverse_temperature_ * scaled.mean(axis=0).T
        layers = zip(self.inner_, self.outer_, strict=True)
        mean: FloatArray = np.mean([softmax((offset + outer @ _layer(inner, inputs)).T) for inner, outer in layers], 0)
        return mean


def _layer(inner: FloatArray, inputs: FloatArray) -> FloatArray:
    """Return the hidden layer and a constant, `[hidden + 1, samples]`."""
    layer = np.ones((len(inner) + 1, inputs.shape[1]))
    hidden = np.matmul(inner, inputs, out=layer[:-1])
    # tanh is 1 - 2 / (exp(2 x) + 1), as exact here; NumPy's own takes twice the time on processors without AVX-512.
    np.minimum(hidden, FLAT_TANH, out=hidden)
    hidden *= 2.0
    np.exp(hidden, out=hidden)
    hidden += 1.0
    np.divide(-2.0, hidden, out=hidden)
    hidden += 1.0
    return layer


class _Part(NamedTuple):
    """Some of the samples, always as the last axis."""

    inputs: FloatArray
    offset: FloatArray
    indicators: FloatArray


class _Network:
    """inputs `[features, samples]` -> tanh layer with a constant -> scores `[classes, samples]`, all zero at first."""

    def __init__(self, features: int, hidden: int, classes: int, rng: np.random.Generator) -> None:
        self.flat = np.zeros(hidden * features + classes * (hidden + 1))
        self.inner = self.flat[: hidden * features].reshape(hidden, features)  # views: a step of `flat` moves both
        self.outer = self.flat[hidden * features :].reshape(classes, hidden + 1)
        self.inner[:] = rng.normal(size=self.inner.shape) / np.sqrt(features)

    def gradient(self, part: _Part) -> FloatArray:
        """Return the gradient of the mean cross-entropy of offset + scores."""
        layer = _layer(self.inner, part.inputs)
        residual = self.outer @ layer
        residual += part.offset
        residual -= residual.max(axis=0)
        np.exp(residual, out=residual)
        residual /= residual.sum(axis=0)
        residual -= part.indicators
        residual /= residual.shape[1]
        back = self.outer[:, :-1].T @ residual
        slope = np.square(layer[:-1])
        back *= np.subtract(1.0, slope, out=slope)
        return np.concatenate([(back @ part.inputs.T).ravel(), (residual @ layer.T).ravel()])

    def log_loss(self, part: _Part) -> float:
        scores = part.offset + self.outer @ _layer(self.inner, part.inputs)
        scores -= scores.max(axis=0)
        return float((np.log(np.exp(scores).sum(axis=0)) - (scores * part.indicators).sum(axis=0)).mean())


def _train(network: _Network, fit: _Part, held_out: _Part, max_steps: int, patience: int, learning_rate: float) -> int:
    """Train by Adam on all of `fit` at once; return after how many steps the log-loss on `held_out` was lowest.

    The network is left with the weights of that step.
    """
    lowest, best, steps = network.log_loss(held_out), network.flat.copy(), 0
    momentum, scale = np.zeros_like(best), np.zeros_like(best)
    for step in range(1, max_steps + 1):
        gradient = network.gradient(fit)
        momentum += 0.1 * (gradient - momentum)
        scale += 0.01 * (gradient**2 - scale)
        unbiased = np.sqrt(scale / (1.0 - 0.99**step)) + ADAM_EPSILON
        network.flat -= learning_rate * momentum / (1.0 - 0.9**step) / unbiased
        if step % CHECK_EVERY == 0:
            loss = network.log_loss(held_out)
            if loss < lowest:
                lowest, best, steps = loss, network.flat.copy(), step
            elif step - steps >= patience:
                break
    network.flat[:] = best
    return steps

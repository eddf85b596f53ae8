"""Stacking by a small neural network, in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ensembles.base import Ensembler, FloatArray, IntArray, LogitArray, log_softmax, one_blas_thread, register, softmax
from ensembles.calibration import temperature
from ensembles.splits import stratified_splits

CHECK_EVERY = 5  # steps
ADAM_EPSILON = 1e-6  # gradients below it are left small: rounding must not be blown up to full steps
LEAST_VARIANCE = 1e-9  # of a principal component, as a share of the first; below is rounding


@register
@dataclass
class StackMLP(Ensembler):
    """Networks with one hidden layer on the members' log-probabilities, correcting their log-opinion pool.

    Every network starts as the equal-weight pool at its best temperature and learns what to add to its
    log-probabilities. There are `folds` networks from different starts; each leaves out another stratified fold of the
    data and keeps the weights with the lowest log-loss there (`steps_`: 0 is the pool itself). The result is the mean
    of their probabilities. The inputs are the first `components` principal components of all log-probabilities: few,
    and the same whatever the order of members. One scale for all keeps the small ones, mostly noise, small. Needs
    scikit-learn.

    Wolpert 1992: doi:10.1016/S0893-6080(05)80023-1
    """

    components: int = 16
    hidden: int = 16
    folds: int = 4
    max_steps: int = 200
    patience: int = 50
    learning_rate: float = 0.01
    random_state: int = 0

    name: ClassVar[str] = "stack_mlp"
    title: ClassVar[str] = "Stacking, small neural networks"
    reference: ClassVar[str] = "doi:10.1016/S0893-6080(05)80023-1"
    complexity: ClassVar[int] = 5

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        log_probabilities = log_softmax(logits)
        self.inverse_temperature_ = 1.0 / temperature(log_probabilities.mean(axis=0), targets)
        with one_blas_thread():
            self._fit_components(log_probabilities)
            data = (*self._inputs(log_probabilities), np.eye(logits.shape[2])[targets].T)
            rng = np.random.default_rng(self.random_state)
            self.networks_, self.steps_ = [], []
            for split in stratified_splits(targets, self.folds, 1, self.random_state):
                network = _Network(len(data[0]), self.hidden, logits.shape[2], rng)
                fit, held_out = (_Part(*(array[:, images] for array in data)) for images in split)
                steps = _train(network, fit, held_out, self.max_steps, self.patience, self.learning_rate)
                self.networks_.append(network)
                self.steps_.append(steps)

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        inputs, offset = self._inputs(log_softmax(logits))
        mean: FloatArray = np.mean([softmax((offset + n.scores(inputs)).T) for n in self.networks_], axis=0)
        return mean

    def _fit_components(self, log_probabilities: FloatArray) -> None:
        by_class = _by_feature(log_probabilities)
        self.mean_ = by_class.mean(axis=1, keepdims=True)
        centred = by_class - self.mean_
        variances, axes = np.linalg.eigh(centred @ centred.T / centred.shape[1])
        first = np.argsort(-variances)[: self.components]
        first = first[variances[first] > LEAST_VARIANCE * variances.max()]
        axes = axes[:, first].T / np.sqrt(variances[first].sum() / self.components)
        # The sign of a component is arbitrary: it is such that the long tail is positive.
        self.axes_ = axes * np.where(((axes @ centred) ** 3).sum(axis=1) < 0, -1.0, 1.0)[:, None]

    def _inputs(self, log_probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Components and a constant `[components + 1, samples]`; the pool's log-probabilities `[classes, samples]`."""
        pool = self.inverse_temperature_ * log_probabilities.mean(axis=0)
        components = self.axes_ @ (_by_feature(log_probabilities) - self.mean_)
        return np.vstack([components, np.ones(len(pool))]), np.ascontiguousarray(pool.T)


def _by_feature(log_probabilities: FloatArray) -> FloatArray:
    """`[members * classes, samples]`: with few classes, sums over a long last axis take half the time."""
    return log_probabilities.transpose(0, 2, 1).reshape(-1, log_probabilities.shape[1])


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

    def layer(self, inputs: FloatArray) -> FloatArray:
        layer = np.ones((len(self.inner) + 1, inputs.shape[1]))
        np.tanh(self.inner @ inputs, out=layer[:-1])
        return layer

    def scores(self, inputs: FloatArray) -> FloatArray:
        return self.outer @ self.layer(inputs)

    def gradient(self, part: _Part) -> FloatArray:
        """Of the mean cross-entropy of offset + scores."""
        layer = self.layer(part.inputs)
        residual = part.offset + self.outer @ layer
        residual -= residual.max(axis=0)
        np.exp(residual, out=residual)
        residual /= residual.sum(axis=0)
        residual -= part.indicators
        residual /= residual.shape[1]
        back = (self.outer[:, :-1].T @ residual) * (1.0 - layer[:-1] ** 2)
        return np.concatenate([(back @ part.inputs.T).ravel(), (residual @ layer.T).ravel()])

    def log_loss(self, part: _Part) -> float:
        scores = part.offset + self.scores(part.inputs)
        scores -= scores.max(axis=0)
        return float((np.log(np.exp(scores).sum(axis=0)) - (scores * part.indicators).sum(axis=0)).mean())


def _train(network: _Network, fit: _Part, held_out: _Part, max_steps: int, patience: int, learning_rate: float) -> int:
    """Adam on all of `fit` at once; leaves the weights with the lowest log-loss on `held_out` and says after how many
    steps they were reached."""
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

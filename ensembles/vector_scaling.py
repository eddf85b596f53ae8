"""Vector scaling: a scale and a bias for each class, beside the one temperature for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.arrays import FloatArray, IntArray, log_softmax, softmax

MAX_ITERATIONS, SMALLEST_GAIN = 100, 1e-12  # of Newton's method; in nats


@dataclass(frozen=True, eq=False)
class VectorScaling:
    """Probabilities are softmax(scales * log-probabilities + biases); `scales` and `biases` are `[C]`."""

    scales: FloatArray
    biases: FloatArray

    def apply(self, log_probabilities: FloatArray) -> FloatArray:
        """Return calibrated probabilities `[N, C]`."""
        return softmax(self.scales * log_probabilities + self.biases)


def fit_vector_scaling(log_probabilities: FloatArray, targets: IntArray, temperature: float) -> VectorScaling:
    """Fit scales and biases by log-loss to log-probabilities `[N, C]` and targets `[N]`.

    A standard normal prior draws them to what `temperature` alone gives: with thousands of images it does not show,
    and a class without any keeps finite numbers. The loss is convex; Newton's method, with its step halved until the
    loss falls. Guo et al. 2017: arXiv:1706.04599. ArithmeticError where the steps do not end.
    """
    count, classes = log_probabilities.shape
    centre = np.concatenate([np.full(classes, 1.0 / temperature), np.zeros(classes)])
    found = centre.copy()
    loss = _loss(found, centre, log_probabilities, targets)
    for _ in range(MAX_ITERATIONS):
        slope, curvature = _derivatives(found, centre, log_probabilities, targets)
        step = np.linalg.solve(curvature, slope)
        expected = float(slope @ step)
        size = 1.0
        while (
            smaller := _loss(found - size * step, centre, log_probabilities, targets)
        ) > loss - 0.1 * size * expected:
            if expected < SMALLEST_GAIN or size < 1e-6:
                return VectorScaling(found[:classes], found[classes:])
            size /= 2.0
        found, loss = found - size * step, smaller
        if expected < SMALLEST_GAIN:
            return VectorScaling(found[:classes], found[classes:])
    raise ArithmeticError(f"vector scaling of {count} images is not found in {MAX_ITERATIONS} iterations")


def _scores(parameters: FloatArray, log_probabilities: FloatArray) -> FloatArray:
    scales, biases = np.split(parameters, 2)
    return scales * log_probabilities + biases


def _loss(parameters: FloatArray, centre: FloatArray, log_probabilities: FloatArray, targets: IntArray) -> float:
    of_target = log_softmax(_scores(parameters, log_probabilities))[np.arange(len(targets)), targets]
    return float(-of_target.mean() + ((parameters - centre) ** 2).sum() / (2 * len(targets)))


def _derivatives(
    parameters: FloatArray, centre: FloatArray, log_probabilities: FloatArray, targets: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return gradient `[2C]` and Hessian `[2C, 2C]` of the loss, scales first."""
    count, probabilities = len(targets), softmax(_scores(parameters, log_probabilities))
    weighted = probabilities * log_probabilities
    both = np.hstack([weighted, probabilities])
    curvature = -both.T @ both
    classes = probabilities.shape[1]
    place = np.arange(classes)
    curvature[place, place] += (weighted * log_probabilities).sum(axis=0)
    curvature[place, place + classes] += weighted.sum(axis=0)
    curvature[place + classes, place] += weighted.sum(axis=0)
    curvature[place + classes, place + classes] += probabilities.sum(axis=0)
    probabilities[np.arange(count), targets] -= 1.0
    slope = np.concatenate([(probabilities * log_probabilities).sum(axis=0), probabilities.sum(axis=0)])
    return (slope + parameters - centre) / count, (curvature + np.eye(2 * classes)) / count

"""Temperature scaling, of one member or of all at once."""

from __future__ import annotations

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray

LOWEST, HIGHEST = 0.01, 100.0  # a member that is never wrong has its optimum at 0, one that knows nothing at infinity
PRECISION = 1e-10  # relative, of a temperature
LAST_STEP = 1e-6  # of Newton's, relative: the next one would be about its square
FEW, ROUGH = 400, 1e-2  # so many samples say a temperature this precisely, relative, and from there few steps are left
NEAR, FLOAT32_NOISE = 1e-4, 1e-5  # the last step in float32, relative, and the steps that are no more than its rounding
FARTHEST_BELOW = -1e15  # a score so low has no weight at any temperature, and its square is no infinity in float32
MAX_ITERATIONS = 100


def temperature(logits: LogitArray, targets: IntArray) -> float:
    """Return the temperature in [0.01, 100] at which softmax(logits / temperature) has the lowest log-loss.

    Logits (or log-probabilities) are `[N, C]`, targets `[N]`. Guo et al. 2017: arXiv:1706.04599
    """
    return float(fit_temperatures(logits[None], targets)[0])


def fit_temperatures(logits: LogitArray, targets: IntArray) -> FloatArray:
    """Return the `temperature` of every member, `[M]`, for logits `[M, N, C]`.

    The log-loss is convex in the inverse temperature. Of many samples, a few say where to start, and float32 goes on
    until one step in float64 is left. ArithmeticError where the steps do not end.
    """
    scores = np.array(np.moveaxis(logits, 2, 1), dtype=np.float64, order="C")
    scores -= scores.max(axis=1, keepdims=True)
    return temperatures_of(scores, targets)


def temperatures_of(scores: FloatArray, targets: IntArray) -> FloatArray:
    """Return `fit_temperatures` of scores `[members, classes, samples]` of which the top class has 0."""
    inverse = np.ones(len(scores))
    if (step := len(targets) // FEW) > 1:
        with np.errstate(over="ignore"):
            narrow = scores.astype(np.float32)
        np.maximum(narrow, FARTHEST_BELOW, out=narrow)
        few = np.ascontiguousarray(narrow[..., ::step])
        inverse = _inverse_temperatures(few, targets[::step], inverse, ROUGH, ROUGH)
        inverse = _inverse_temperatures(narrow, targets, inverse, NEAR, FLOAT32_NOISE)
    return 1.0 / _inverse_temperatures(scores, targets, inverse, LAST_STEP, PRECISION)


def _inverse_temperatures(
    scores: LogitArray, targets: IntArray, start: FloatArray, last_step: float, precision: float
) -> FloatArray:
    """Return the inverse temperature of every member, `[M]`, for scores `[M, C, N]` in any precision.

    Newton's method runs for each member within a bracket that the slopes narrow. Where a step leaves the bracket, or
    makes little progress (far from a member's rare errors the slope falls off exponentially), the middle of the bracket
    is next.
    """
    inverse, moving = start.copy(), np.arange(len(start))
    true = scores[:, targets, np.arange(len(targets))].mean(axis=1, dtype=np.float64)
    below, above = np.full(len(start), 1.0 / HIGHEST), np.full(len(start), 1.0 / LOWEST)
    last = np.full(len(start), np.inf)
    for _ in range(MAX_ITERATIONS):
        here = inverse[moving]
        moments = np.array([_moments(scores[member], inverse[member]) for member in moving])
        slope, curvature = moments[:, 0] - true[moving], moments[:, 1]
        below[moving] = np.where(slope < 0, here, below[moving])
        above[moving] = np.where(slope > 0, here, above[moving])
        with np.errstate(over="ignore"):  # a flat slope: the step leaves the bracket
            step = here - slope / np.maximum(curvature, np.finfo(float).tiny)
        inside = (step > below[moving]) & (step < above[moving]) & (np.abs(slope) <= last[moving] / 4)
        inside |= np.abs(step - here) <= precision * here  # rounding, at the bracket's edge
        inverse[moving] = np.where(inside, step, np.sqrt(below[moving] * above[moving]))
        last[moving] = np.abs(slope)
        moving = moving[np.abs(inverse[moving] - here) > np.where(inside, last_step, precision) * here]
        if not moving.size:
            return inverse
    raise ArithmeticError(f"temperatures of {moving.size} members are not found in {MAX_ITERATIONS} iterations")


def _moments(scores: LogitArray, inverse: float) -> tuple[float, float]:
    """Return the mean over samples of the mean and of the variance of scores `[C, N]` under softmax(inverse * scores).

    Less the mean score of the truth, these are the first and second derivative of the mean log-loss. One member at a
    time stays in the cache.
    """
    likelihood = np.multiply(scores, inverse, dtype=scores.dtype)
    np.exp(likelihood, out=likelihood)
    total = likelihood.sum(axis=0)
    likelihood *= scores
    mean = likelihood.sum(axis=0)
    mean /= total
    likelihood *= scores
    square = likelihood.sum(axis=0)
    square /= total
    return float(mean.mean(dtype=np.float64)), float((square - mean * mean).mean(dtype=np.float64))

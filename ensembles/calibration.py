"""Temperature scaling, of one member or of all at once."""

from __future__ import annotations

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray

LOWEST, HIGHEST = 0.01, 100.0  # a member that is never wrong has its optimum at 0, one that knows nothing at infinity
PRECISION = 1e-10  # relative, of a temperature
LAST_STEP = 1e-6  # of Newton's, relative: the next one would be about its square
FEW, ROUGH = 400, 1e-2  # so many samples say a temperature this precisely, relative, and from there few steps are left
MAX_ITERATIONS = 100


def temperature(logits: LogitArray, targets: IntArray) -> float:
    """Return the temperature in [0.01, 100] at which softmax(logits / temperature) has the lowest log-loss.

    Logits (or log-probabilities) are `[N, C]`, targets `[N]`. Guo et al. 2017: arXiv:1706.04599
    """
    return float(fit_temperatures(logits[None], targets)[0])


def fit_temperatures(logits: LogitArray, targets: IntArray) -> FloatArray:
    """Return the `temperature` of every member, `[M]`, for logits `[M, N, C]`.

    The log-loss is convex in the inverse temperature. Of many samples, a few say where to start. ArithmeticError where
    the steps do not end.
    """
    scores = np.array(np.moveaxis(logits, 2, 0), dtype=np.float64, order="C")  # [C, M, N]: sums over classes are fast
    scores -= scores.max(axis=0)
    true = scores[targets, :, np.arange(len(targets))].T
    inverse = np.ones(len(logits))
    if (step := len(targets) // FEW) > 1:
        inverse = _inverse_temperatures(
            np.ascontiguousarray(scores[..., ::step]), true[:, ::step], inverse, ROUGH, ROUGH
        )
    return 1.0 / _inverse_temperatures(scores, true, inverse, LAST_STEP, PRECISION)


def _inverse_temperatures(
    scores: FloatArray, true: FloatArray, start: FloatArray, last_step: float, precision: float
) -> FloatArray:
    """Return the inverse temperature of every member, `[M]`, for scores `[C, M, N]` and those of the truth `[M, N]`.

    Newton's method runs for all members together, each within a bracket that the slopes narrow. Where a step leaves the
    bracket, or makes little progress (far from a member's rare errors the slope falls off exponentially), the middle of
    the bracket is next.
    """
    inverse, moving = start.copy(), np.arange(len(start))
    below, above = np.full(len(start), 1.0 / HIGHEST), np.full(len(start), 1.0 / LOWEST)
    last = np.full(len(start), np.inf)
    for _ in range(MAX_ITERATIONS):
        here = inverse[moving]
        slope, curvature = _derivatives(scores.take(moving, axis=1), true[moving], here)
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


def _derivatives(scores: FloatArray, true: FloatArray, inverse: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the first and second derivative `[M]` of the mean log-loss: moments of the scores under the softmax."""
    likelihood = np.exp(inverse[:, None] * scores)
    likelihood /= likelihood.sum(axis=0)
    likelihood *= scores
    mean = likelihood.sum(axis=0)
    likelihood *= scores
    return (mean - true).mean(axis=1), (likelihood.sum(axis=0) - mean**2).mean(axis=1)

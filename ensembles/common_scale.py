"""Members' logits on one scale: how loud a network is says nothing of how often it is right."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import CLASS_TIE, BoolArray, FloatArray, IntArray, LogitArray, log_softmax, over_classes
from ensembles.base import Ensembler
from ensembles.calibration import fit_temperatures

USUAL = 0.25  # of the distances of classes from the top; low, so that classes a network never names may be most
FARTHEST = 25.0  # usual distances below the top; the networks of FER2013 and FER+ reach 24 at most
MOST_REMEMBERED = 64  # scales; a search with two repeats of five folds asks for eleven
LEAST_LOG_PROBABILITY = np.log(1e-10)  # at a member's own temperature; these networks reach 1e-9


@dataclass(frozen=True, eq=False)
class CommonScale:
    """Every member at its own temperature, and no class farther below the top than its `reach`, both `[members]`.

    The result is the same for any multiple of a member's logits. A class that a member calls impossible (a logit of
    -30,000, say, where a class is masked or a number has overflowed) is no more than very unlikely: one such value
    neither moves the temperature of its member nor outweighs all others where features are standardised.

    Temperatures: Guo et al. 2017, arXiv:1706.04599
    """

    temperatures: FloatArray
    reach: FloatArray

    @classmethod
    def fit(cls, logits: LogitArray, targets: IntArray) -> CommonScale:
        """Learn the scale of logits `[members, samples, classes]` from targets `[samples]`.

        Seven methods of a search ask for that of the same logits: the last ones are remembered, by a digest.
        """
        key = _digest(logits, targets)
        if key not in _REMEMBERED:
            while len(_REMEMBERED) >= MOST_REMEMBERED:
                _REMEMBERED.pop(next(iter(_REMEMBERED)), None)
            _REMEMBERED[key] = cls._learnt(logits, targets)
        return _REMEMBERED[key]

    @classmethod
    def _learnt(cls, logits: LogitArray, targets: IntArray) -> CommonScale:
        below = _below_top(logits)
        usual = np.array([_usual_distance(*pair) for pair in zip(below, _ties(logits), strict=True)])
        below /= usual[:, None, None]
        np.minimum(below, FARTHEST, out=below)
        temperatures = fit_temperatures(-below, targets)
        reach = np.minimum(FARTHEST, -LEAST_LOG_PROBABILITY * temperatures)
        beyond: BoolArray = (below > reach[:, None, None]).any(axis=(1, 2))
        if beyond.any():
            nearer = np.minimum(below[beyond], reach[beyond, None, None])
            temperatures[beyond] = fit_temperatures(-nearer, targets)
        learnt = cls(usual * temperatures, usual * reach)
        for array in (learnt.temperatures, learnt.reach):
            array.setflags(write=False)  # several methods may hold them
        return learnt

    def log_probabilities(self, logits: LogitArray) -> FloatArray:
        """Return log-probabilities `[members, samples, classes]` of logits of the same members."""
        below = _below_top(logits)
        np.minimum(below, self.reach[:, None, None], out=below)
        below /= -self.temperatures[:, None, None]
        return log_softmax(below)


_REMEMBERED: dict[bytes, CommonScale] = {}
"""Scales by a digest of what they were learnt from, in the order in which they were."""


def _digest(logits: LogitArray, targets: IntArray) -> bytes:
    state = hashlib.blake2b(f"{logits.shape} {logits.dtype} {targets.dtype}".encode(), digest_size=16)
    for array in (logits, targets):
        state.update(np.ascontiguousarray(array).data)
    return state.digest()


def _below_top(logits: LogitArray) -> FloatArray:
    """Return how far each class lies below the top one, `[members, samples, classes]`."""
    wide = np.asarray(logits, dtype=np.float64)
    below: FloatArray = over_classes(np.maximum, wide) - wide
    return below


def _ties(logits: LogitArray) -> FloatArray:
    """Return by how much a class may lie below the top one by rounding alone, `[members, samples, 1]`."""
    top = np.abs(over_classes(np.maximum, logits).astype(np.float64))
    return np.maximum(CLASS_TIE * top, np.finfo(float).tiny)


def _usual_distance(below: FloatArray, ties: FloatArray) -> float:
    """Return a member's usual distance of a class from the top, ties left out; 1 where all classes always tie."""
    apart = below[below > ties]
    return float(np.quantile(apart, USUAL)) if apart.size else 1.0


class OnCommonScale(Ensembler):
    """An ensembler that brings the members to a `CommonScale`: `temperatures_` and `reach_`, `[members]` both."""

    fitted: ClassVar[tuple[str, ...]] = ("temperatures_", "reach_")

    temperatures_: FloatArray
    reach_: FloatArray

    def learn_scale(self, logits: LogitArray, targets: IntArray) -> None:
        """Learn the members' scale in `fit`."""
        scale = CommonScale.fit(logits, targets)
        self.temperatures_, self.reach_ = scale.temperatures, scale.reach

    def on_common_scale(self, logits: LogitArray) -> FloatArray:
        """Return the members' log-probabilities on their common scale, `[members, samples, classes]`."""
        return CommonScale(self.temperatures_, self.reach_).log_probabilities(logits)

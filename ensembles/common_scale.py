"""Members' logits on one scale: how loud a network is says nothing of how often it is right."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import CLASS_TIE, BoolArray, FloatArray, IntArray, LogitArray
from ensembles.base import Ensembler
from ensembles.calibration import temperatures_of

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
        below = np.empty((len(logits), logits.shape[2], logits.shape[1]))  # sums over classes are fast
        usual = np.ones(len(logits))
        for member, given in enumerate(logits):
            top = _from_top(given, below[member])
            usual[member] = _usual_distance(below[member], np.maximum(CLASS_TIE * np.abs(top), np.finfo(float).tiny))
            below[member] /= -usual[member]
            np.maximum(below[member], -FARTHEST, out=below[member])
        temperatures = temperatures_of(below, targets)
        reach = np.minimum(FARTHEST, -LEAST_LOG_PROBABILITY * temperatures)
        beyond: BoolArray = below.min(axis=(1, 2)) < -reach
        if beyond.any():
            nearer = np.maximum(below[beyond], -reach[beyond, None, None])
            temperatures[beyond] = temperatures_of(nearer, targets)
        learnt = cls(usual * temperatures, usual * reach)
        for array in (learnt.temperatures, learnt.reach):
            array.setflags(write=False)  # several methods may hold them
        return learnt

    def log_probabilities(self, logits: LogitArray) -> FloatArray:
        """Return log-probabilities `[members, samples, classes]` of logits of the same members."""
        found = np.empty(logits.shape)
        below = np.empty((logits.shape[2], logits.shape[1]))
        for member, given in enumerate(logits):  # in the cache, its classes apart: sums over few classes are fast
            _from_top(given, below)
            np.minimum(below, self.reach[member], out=below)
            below /= -self.temperatures[member]
            below -= np.log(np.exp(below).sum(axis=0))  # the top class is at 0
            found[member] = below.T
        return found


_REMEMBERED: dict[bytes, CommonScale] = {}
"""Scales by a digest of what they were learnt from, in the order in which they were."""


def forget_scales() -> None:
    """Forget what was learnt so far, so that the next fit takes the time of a first one."""
    _REMEMBERED.clear()


def _digest(logits: LogitArray, targets: IntArray) -> bytes:
    state = hashlib.blake2b(f"{logits.shape} {logits.dtype} {targets.dtype}".encode(), digest_size=16)
    for array in (logits, targets):
        state.update(np.ascontiguousarray(array).data)
    return state.digest()


def _from_top(logits: LogitArray, below: FloatArray) -> FloatArray:
    """Fill `below` `[classes, samples]` with how far each class lies below the top one of a member's logits
    `[samples, classes]`, and return the top one's logits, `[samples]`."""
    below[...] = logits.T
    top: FloatArray = below.max(axis=0)
    np.subtract(top, below, out=below)
    return top


def _usual_distance(below: FloatArray, ties: FloatArray) -> float:
    """Return a member's usual distance of a class from the top, ties left out; 1 where all classes always tie."""
    apart = below[below > ties]
    if not apart.size:
        return 1.0
    lower, share = divmod(USUAL * (apart.size - 1), 1.0)
    apart.partition(place := int(lower))
    upper = apart[place + 1 :].min(initial=np.inf)
    return float(apart[place] + share * (upper - apart[place])) if share else float(apart[place])


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

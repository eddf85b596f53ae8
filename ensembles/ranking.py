"""The order of members by their own scores, in which copies of a member stand together."""

from __future__ import annotations

import numpy as np

from ensembles.arrays import BoolArray, FloatArray, IntArray, top_class
from ensembles.selection import SMALLEST_PROBABILITY, TIE, BlendHits, BlendLogLoss


def single_scores(probabilities: FloatArray, targets: IntArray) -> tuple[BoolArray, FloatArray]:
    """Return which images each member gets right, and its log-probability of the truth, `[M, N]` both."""
    true = probabilities[:, np.arange(len(targets)), targets]
    return top_class(probabilities) == targets, np.log(np.maximum(true, SMALLEST_PROBABILITY))


def rank_members(correct: BoolArray, log_true: FloatArray) -> list[IntArray]:
    """Return groups of members, the best first, by accuracy and then by log-loss. The members of a group tie in both.

    Members that tie in both are treated as copies. A method that takes whole groups, or one member of each group, gives
    the same result whether a member is there once or twice, and for any order of members.
    """
    return _ranked(np.count_nonzero(correct, axis=1), -log_true.mean(axis=1))


def rank_alone(log_loss: BlendLogLoss, hits: BlendHits) -> list[IntArray]:
    """Return the groups of `rank_members`, from what each member scores as the first of an empty blend."""
    return _ranked(hits.with_each(), log_loss.with_each())


def _ranked(hits: IntArray, log_loss: FloatArray) -> list[IntArray]:
    order = np.lexsort((log_loss, -hits))  # stable: within a group, members keep their order
    apart = (np.diff(hits[order]) != 0) | (np.diff(log_loss[order]) > TIE)
    return np.split(order, np.flatnonzero(apart) + 1)


def distinct(groups: list[IntArray]) -> IntArray:
    """Return one member of each group, the best first."""
    return np.array([group[0] for group in groups])

"""The floors (one member, the plain mean of all, or of the best few) and votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import (
    CLASS_TIE,
    FEW_CLASSES,
    FloatArray,
    IntArray,
    LogitArray,
    log_likelihood,
    pool,
    softmax,
    top_class,
)
from ensembles.base import Ensembler, LinearPool
from ensembles.ranking import rank_members, single_scores
from ensembles.registry import register
from ensembles.splits import stratified_splits

TIE_BREAK = 1e-6  # of a vote: less than any difference between counts, as long as there are under a million members


@register
@dataclass
class BestSingle(LinearPool):
    """The member with the best accuracy on the fit data; ties by lower log-loss, then by member order.

    Cross-validatory choice: doi:10.1111/j.2517-6161.1974.tb00994.x
    """

    name: ClassVar[str] = "best_single"
    title: ClassVar[str] = "Best single member"
    reference: ClassVar[str] = "doi:10.1111/j.2517-6161.1974.tb00994.x"
    complexity: ClassVar[int] = 0
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "As the floor: an ensemble that does not beat it is not worth its price"
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        hits = [np.count_nonzero(top_class(logits[member]) == targets) for member in range(len(logits))]
        log_loss = -log_likelihood(logits, targets).mean(axis=1)
        best = np.lexsort((log_loss, np.negative(hits)))[0]  # a stable sort: what is still tied stays in member order
        self.weights_ = np.zeros(len(logits))
        self.weights_[best] = 1.0


@register
@dataclass
class Uniform(LinearPool):
    """The mean of all members' probabilities. doi:10.1109/34.58871"""

    name: ClassVar[str] = "uniform"
    title: ClassVar[str] = "Uniform average"
    reference: ClassVar[str] = "doi:10.1109/34.58871"
    complexity: ClassVar[int] = 1
    cost: ClassVar[str] = "none"
    use_when: ClassVar[str] = "Always as the floor; members of like skill, few images to fit on"
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        self.weights_ = np.full(len(logits), 1.0 / len(logits))


@register
@dataclass
class TopK(LinearPool):
    """The mean of the probabilities of the `k_` best members by accuracy; ties by lower log-loss.

    `k_` has the best accuracy in stratified cross-fitting inside `fit`, where members are ranked and averages scored on
    different images; ties by lower log-loss, then by the smaller k. Members that tie in both (copies) come in together.
    Needs scikit-learn.

    Choosing the best: doi:10.1162/neco.1996.8.4.869
    """

    folds: int = 5
    random_state: int = 0

    name: ClassVar[str] = "top_k"
    title: ClassVar[str] = "Average of the best k"
    reference: ClassVar[str] = "doi:10.1162/neco.1996.8.4.869"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Members of unlike skill, where weights would overfit"
    fitted: ClassVar[tuple[str, ...]] = ("k_",)

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        probabilities = softmax(logits)
        correct, log_true = single_scores(probabilities, targets)
        hits, log_loss = np.zeros(len(logits), dtype=int), np.zeros(len(logits))
        for fit, held_out in stratified_splits(targets, self.folds, 1, self.random_state):
            groups = rank_members(correct[:, fit], log_true[:, fit])
            ranked = probabilities[np.concatenate(groups)].take(held_out, axis=1)
            right, loss = _score_prefixes(ranked, targets[held_out])
            sizes = _whole_groups(groups)
            hits += right[sizes - 1]
            log_loss += loss[sizes - 1]
        wanted = np.lexsort((log_loss, -hits))[0]  # stable: what is still tied stays with the smaller k
        groups = rank_members(correct, log_true)
        self.k_ = int(_whole_groups(groups)[wanted])
        self.weights_ = np.zeros(len(logits))
        self.weights_[np.concatenate(groups)[: self.k_]] = 1.0 / self.k_


def _whole_groups(groups: list[IntArray]) -> IntArray:
    """Return `[members]`: how many members are taken where 1, 2, ... are wanted and groups stay whole."""
    sizes = np.array([len(group) for group in groups])
    whole: IntArray = np.repeat(np.cumsum(sizes), sizes)
    return whole


def _score_prefixes(probabilities: FloatArray, targets: IntArray) -> tuple[IntArray, FloatArray]:
    """Return hits and summed log-loss, `[members]` both, of the mean of the first 1, 2, ... members."""
    blends = np.cumsum(probabilities, axis=0)
    blends /= np.arange(1, len(blends) + 1)[:, None, None]
    correct, log_true = single_scores(blends, targets)
    return np.count_nonzero(correct, axis=1), -log_true.sum(axis=1)


class Vote(Ensembler):
    """Members give points to classes; a subclass says which. Nothing is fitted.

    The probability of a class is its share of the points. Classes with equal points are ordered by the members' mean
    probability, which counts for a millionth of a vote, so that it decides ties and nothing else.
    """

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        """Fit nothing."""

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        points = self.points(logits) + pool(logits, np.full(len(logits), TIE_BREAK))
        points /= points.sum(axis=1, keepdims=True)
        return points

    def points(self, logits: LogitArray) -> FloatArray:
        """Return points `[samples, classes]`, summed over members."""
        raise NotImplementedError


@register
@dataclass
class HardVote(Vote):
    """Plurality vote: each member has one vote, for its top class.

    Shares of votes are poor probabilities: a class without a vote has almost none.

    Lam and Suen 1997: doi:10.1109/3468.618255
    """

    name: ClassVar[str] = "hard_vote"
    title: ClassVar[str] = "Plurality vote"
    reference: ClassVar[str] = "doi:10.1109/3468.618255"
    complexity: ClassVar[int] = 1
    cost: ClassVar[str] = "none"
    use_when: ClassVar[str] = "Members of which only the top class can be trusted; the probabilities are poor"

    def points(self, logits: LogitArray) -> FloatArray:
        classes = np.arange(logits.shape[2])
        votes: FloatArray = (top_class(logits)[:, :, None] == classes).sum(axis=0, dtype=float)
        return votes


@register
@dataclass
class Borda(Vote):
    """Borda count: each member gives a class one point for every class it ranks below, and half for an equal one.

    Ho, Hull and Srihari 1994: doi:10.1109/34.273716
    """

    name: ClassVar[str] = "borda"
    title: ClassVar[str] = "Borda count"
    reference: ClassVar[str] = "doi:10.1109/34.273716"
    complexity: ClassVar[int] = 1
    cost: ClassVar[str] = "none"
    use_when: ClassVar[str] = "Members whose probabilities cannot be trusted, but whose order of classes can"

    def points(self, logits: LogitArray) -> FloatArray:
        total = np.zeros(logits.shape[1:])
        if logits.shape[2] > FEW_CLASSES:
            for member in logits:
                total += _places(member)
            return total
        for rival in range(logits.shape[2]):
            other = logits[:, :, rival, None]
            tie = CLASS_TIE * np.maximum(np.abs(logits), np.abs(other))
            ahead = logits - other
            total += 0.5 * ((ahead > tie).sum(axis=0) + (ahead >= -tie).sum(axis=0))
        return total - 0.5 * len(logits)  # every member found each class equal to itself


def _places(scores: LogitArray) -> FloatArray:
    """Return a member's points `[N, C]`: of the classes in order of their scores, how many are below, and half of those
    that tie. Its time grows with the classes, and not with their square as that of comparing each two does."""
    order = scores.argsort(axis=1)
    ranked = np.take_along_axis(scores, order, axis=1).astype(np.float64)
    size = np.abs(ranked)
    apart = np.diff(ranked, axis=1) > CLASS_TIE * np.maximum(size[:, 1:], size[:, :-1])
    places = np.arange(scores.shape[1])
    first, last = np.zeros(scores.shape, dtype=np.int64), np.full(scores.shape, places[-1])
    first[:, 1:] = np.maximum.accumulate(np.where(apart, places[1:], 0), axis=1)
    last[:, :-1] = np.minimum.accumulate(np.where(apart, places[:-1], places[-1])[:, ::-1], axis=1)[:, ::-1]
    points = np.empty(scores.shape)
    np.put_along_axis(points, order, (first + last) / 2.0, axis=1)
    return points

"""Uniform averages over a subset of the members: the best of all subsets, and all but the near twins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, one_blas_thread, softmax, top_class
from ensembles.base import LinearPool
from ensembles.diversity import error_correlation
from ensembles.ranking import distinct, rank_alone, rank_members, single_scores
from ensembles.registry import register
from ensembles.selection import TIE, BlendHits, BlendLogLoss

CHUNK = 512  # subsets at once: their sums for one rival class of all open images stay in the cache


@register
@dataclass
class BestSubset(LinearPool):
    """The subset of members whose uniform average has the best accuracy on the fit data, of all non-empty subsets.

    Ties by lower log-loss, then fewer members, then the better members. Copies of a member count once. Of more than
    `max_members` members only the best by accuracy take part, as every further one doubles the time: at 3,589 images
    of 7 classes, 12 (4,095 subsets) take 0.04 s of one core and 16 take 0.5 s. What the best of thousands of subsets
    scores on the fit data is luck in good part. ValueError for less than one member.

    Selective ensembles, Zhou et al. 2002: doi:10.1016/S0004-3702(02)00190-X
    """

    max_members: int = 12

    name: ClassVar[str] = "best_subset"
    title: ClassVar[str] = "Best subset, exhaustive"
    reference: ClassVar[str] = "doi:10.1016/S0004-3702(02)00190-X"
    complexity: ClassVar[int] = 3
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Few members, or proof that greedy selection misses nothing"

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if self.max_members < 1:
            raise ValueError(f"max_members must be at least 1, got {self.max_members}")
        log_loss, hits = BlendLogLoss(logits, targets), BlendHits(logits, targets)
        ranked = distinct(rank_alone(log_loss, hits))[: self.max_members]
        # Bit j of a subset's number is member j of the ranking; in the order of `choices`, ties need no more sorting.
        bits = np.arange(1, 2 ** len(ranked))[:, None] >> np.arange(len(ranked)) & 1
        choices = bits[np.lexsort((*-bits.T[::-1], bits.sum(axis=1)))].astype(float)
        with one_blas_thread():
            counts = count_hits(choices, hits.of(ranked))
        choices = choices[counts == counts.max()]
        true = log_loss.true[:, ranked]
        losses = np.array([-np.log(true @ choice / choice.sum()).mean() for choice in choices])
        best = choices[np.flatnonzero(losses <= losses.min() + TIE)[0]]
        self.weights_ = np.zeros(len(logits))
        self.weights_[ranked] = best / best.sum()


def count_hits(choices: FloatArray, hits: BlendHits) -> IntArray:
    """Return how many images each subset gets right; `choices` is `[subsets, members]` of zeros and ones.

    Most open images have one or two rival classes: images are sorted by the number of theirs, so that the matrix
    product for the n-th rival takes ever fewer images.
    """
    number = np.bincount(hits.image, minlength=hits.images)
    order = np.argsort(-number, kind="stable")
    first = np.cumsum(number) - number  # pairs of an image and a rival are sorted by image
    tables = []
    for place in range(number.max(initial=0)):
        pairs = first[order[: np.count_nonzero(number > place)]] + place
        tables.append((np.ascontiguousarray(hits.margin[pairs].T), -hits.handicap[pairs]))
    counts = np.full(len(choices), hits.always)
    for start in range(0, len(choices), CHUNK):
        chunk = choices[start : start + CHUNK]
        right = np.ones((len(chunk), hits.images), dtype=bool)
        for margins, bound in tables:
            right[:, : len(bound)] &= chunk @ margins > bound
        counts[start : start + CHUNK] += np.count_nonzero(right, axis=1)
    return counts


@register
@dataclass
class Pruned(LinearPool):
    """The uniform average without near twins.

    From the best member by accuracy to the worst, each is kept unless its errors correlate with those of a kept one by
    more than `correlation`. Two snapshots of one training are such twins, and an average over all members counts them
    twice. Correlations are alike where members are right on 70 % or on 90 % of the images; how often they predict the
    same class is not. Members that tie in accuracy and log-loss count once. Where a member is right on every image, it
    is kept alone. ValueError for a correlation outside (0, 1].

    Overproduce and choose, Giacinto and Roli 2001: doi:10.1016/S0167-8655(00)00096-9
    """

    correlation: float = 0.8

    name: ClassVar[str] = "pruned"
    title: ClassVar[str] = "Average without near twins"
    reference: ClassVar[str] = "doi:10.1016/S0167-8655(00)00096-9"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Many members, of which some are nearly the same network"

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if not 0 < self.correlation <= 1:
            raise ValueError(f"correlation must be in (0, 1], got {self.correlation}")
        alike = error_correlation(top_class(logits) == targets)
        kept: list[int] = []
        for member in distinct(rank_members(*single_scores(softmax(logits), targets))):
            if all(alike[member, other] <= self.correlation for other in kept):
                kept.append(int(member))
        self.weights_ = np.zeros(len(logits))
        self.weights_[kept] = 1.0 / len(kept)

"""Uniform averages over a subset of the members: the best of all subsets, and all but the near twins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import IntArray, LogitArray, one_blas_thread, softmax, top_class
from ensembles.base import LinearPool
from ensembles.diversity import error_correlation
from ensembles.ranking import distinct, rank_alone, rank_members, single_scores
from ensembles.registry import register
from ensembles.selection import TIE, BlendHits, BlendLogLoss

FEW = 6  # members: the sums of their subsets for one rival class of all open images stay in the cache


@register
@dataclass
class BestSubset(LinearPool):
    """The subset of members whose uniform average has the best accuracy on the fit data, of all non-empty subsets.

    Ties by lower log-loss, then fewer members, then the better members. Copies of a member count once. Of more than
    `max_members` members only the best by accuracy take part, as every further one doubles the time: at 3,589 images
    of 7 classes, 12 (4,095 subsets) take 0.04 s of one core and 16 take 0.2 s. What the best of thousands of subsets
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
        # Bit j of a subset's number is member j of the ranking.
        with one_blas_thread():
            counts = count_hits(hits.of(ranked))[1:]
        bits = choices(len(ranked))[1:][counts == counts.max()]
        ordered = bits[np.lexsort((*-bits.T[::-1], bits.sum(axis=1)))].astype(float)  # the rest of the ties' rules
        true = log_loss.true[:, ranked]
        losses = np.array([-np.log(true @ choice / choice.sum()).mean() for choice in ordered])
        best = ordered[np.flatnonzero(losses <= losses.min() + TIE)[0]]
        self.weights_ = np.zeros(len(logits))
        self.weights_[ranked] = best / best.sum()


def count_hits(hits: BlendHits) -> IntArray:
    """Return how many images each subset gets right, `[2**members]`: number s is of the members whose bits s has.

    A subset's sum of margins is that of its first few members, of which there are few subsets, and that of its others:
    each sum of the first is compared with what the others leave to reach. Most open images have one or two rival
    classes: images are sorted by the number of theirs, so that comparisons for the n-th rival are of ever fewer images.
    """
    number = np.bincount(hits.image, minlength=hits.images)
    order = np.argsort(-number, kind="stable")
    first = np.cumsum(number) - number  # pairs of an image and a rival are sorted by image
    members = hits.margin.shape[1]
    few = min(members // 2, FEW)
    of_few, of_others = choices(few).astype(float), choices(members - few).astype(float)
    tables = []
    for place in range(number.max(initial=0)):
        pairs = first[order[: np.count_nonzero(number > place)]] + place
        margins = hits.margin[pairs].T
        tables.append((of_few @ margins[:few], np.ascontiguousarray(margins[few:]), -hits.handicap[pairs]))
    counts = np.full((len(of_others), len(of_few)), hits.always)
    for others, count in zip(of_others, counts, strict=True):
        right = np.ones((len(of_few), hits.images), dtype=bool)
        for sums, margins, bound in tables:
            right[:, : len(bound)] &= sums > bound - others @ margins
        count += np.count_nonzero(right, axis=1)
    return counts.ravel()


def choices(members: int) -> IntArray:
    """Return the subsets by their numbers, `[2**members, members]` of zeros and ones."""
    return np.arange(2**members)[:, None] >> np.arange(members) & 1


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

"""Greedy forward selection of members, vectorised over members and images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np

from ensembles.arrays import BoolArray, FloatArray, IntArray, LogitArray, log_likelihood, softmax
from ensembles.base import LinearPool
from ensembles.registry import register
from ensembles.streaming import blocks

METRICS = ("accuracy", "log_loss")
SMALLEST_PROBABILITY = 1e-15  # of a true class, so that one hopeless image cannot make every log-loss infinite
TIE = 1e-10  # probabilities and losses closer than this differ by rounding alone
PAIRS_AT_ONCE = 8192
FACTORS = 16  # probabilities multiplied before one logarithm: 16 factors of 1e-15 stay within float64


@register
@dataclass
class Greedy(LinearPool):
    """Ensemble selection: add, with replacement, the member that makes the mean of probabilities best.

    It takes `steps` steps and keeps the best prefix. Nothing is random. The next member is the best by the metric; ties
    are decided by the log-loss, then for members that are already chosen, then by the order of members. Ties between
    prefixes are decided by the log-loss, then for the shorter.

    `order_` holds the chosen members, one for each step of the best prefix. ValueError for an unknown `metric`
    (accuracy, log_loss) or less than one step.

    Caruana et al. 2004: doi:10.1145/1015330.1015432
    """

    steps: int = 25
    metric: str = "accuracy"

    name: ClassVar[str] = "greedy"
    title: ClassVar[str] = "Greedy selection"
    reference: ClassVar[str] = "doi:10.1145/1015330.1015432"
    complexity: ClassVar[int] = 3
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Many members, of which a few should be used; the score is the accuracy"
    fitted: ClassVar[tuple[str, ...]] = ("order_",)
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {self.metric!r}")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        log_loss = BlendLogLoss(logits, targets)
        hits = BlendHits(logits, targets) if self.metric == "accuracy" else None
        self.order_ = select(log_loss, hits, len(logits), self.steps)
        self.weights_ = np.bincount(self.order_, minlength=len(logits)) / len(self.order_)


def select(
    log_loss: BlendLogLoss, hits: BlendHits | None, members: int, steps: int, start: Iterable[int] = ()
) -> IntArray:
    """Return the chosen members in order, up to the best prefix; by hits, then log-loss, or by log-loss alone.

    The members of `start` are chosen from the beginning, and no prefix is shorter.
    """
    chosen = np.zeros(members, dtype=bool)
    order: list[int] = []
    path: list[tuple[int, float]] = []  # misses (0 throughout without hits) and log-loss after each step
    for member in start:
        add(member, log_loss, hits)
        chosen[member] = True
        order.append(member)
    if order:
        path.append(score(log_loss, hits))
    for _ in range(steps):
        count, candidates = 0, np.arange(members)
        if hits is None:
            losses = log_loss.with_each()
        else:
            counts = hits.with_each()
            count = int(counts.max())
            candidates = np.flatnonzero(counts == count)
            losses = log_loss.with_each(candidates)
        candidates = candidates[losses <= losses.min() + TIE]
        known = candidates[chosen[candidates]]
        winner = int(known[0] if known.size else candidates[0])
        chosen[winner] = True
        order.append(winner)
        path.append((-count, float(losses.min())))
        add(winner, log_loss, hits)
    left_out = len(path) - 1 - best_step(path)
    return np.array(order[: len(order) - left_out])


def add(member: int, log_loss: BlendLogLoss, hits: BlendHits | None) -> None:
    """Add the member to the running blend."""
    log_loss.add(member)
    if hits is not None:
        hits.add(member)


def score(log_loss: BlendLogLoss, hits: BlendHits | None) -> tuple[int, float]:
    """Return misses (up to a constant; 0 without hits) and log-loss of the running blend: lower is better."""
    return (0 if hits is None else -hits.now()), log_loss.now()


def best_step(path: Sequence[tuple[int, float]]) -> int:
    """Return the place of the best score: fewest misses, then the lowest log-loss, then the first."""
    fewest_misses = min(misses for misses, _ in path)
    lowest = min(loss for misses, loss in path if misses == fewest_misses)
    return next(i for i, (misses, loss) in enumerate(path) if misses == fewest_misses and loss <= lowest + TIE)


class BlendLogLoss:
    """The log-loss of the running blend with each candidate added. Only true-class probabilities matter: [N, M]."""

    def __init__(self, logits: LogitArray, targets: IntArray) -> None:
        true = np.exp(log_likelihood(logits, targets).T, order="C")
        self.true = np.maximum(true, SMALLEST_PROBABILITY, out=true)
        self.group_starts = np.arange(0, len(targets), FACTORS)
        self.restart()

    def of(self, members: IntArray) -> Self:
        """Return the same for these members alone, with an empty blend."""
        part = copy(self)
        part.true = self.true[:, members]
        part.restart()
        return part

    def restart(self) -> None:
        """Empty the blend."""
        self.sum = np.zeros(len(self.true))
        self.size = 0

    def with_each(self, candidates: IntArray | None = None) -> FloatArray:
        """Return the log-loss with each candidate added; where none are named, with each member."""
        total = (self.true if candidates is None else self.true[:, candidates]) + self.sum[:, None]
        # A logarithm costs some ten multiplications, so probabilities are multiplied in groups first.
        products = np.multiply.reduceat(total, self.group_starts, axis=0)
        losses: FloatArray = np.log(self.size + 1) - np.log(products).sum(axis=0) / len(total)
        return losses

    def now(self) -> float:
        return float(np.log(self.size) - np.log(self.sum).mean())

    def add(self, member: int) -> None:
        self.sum += self.true[:, member]
        self.size += 1


class BlendHits:
    """The number of images that the running blend gets right with each candidate added.

    An image is right where the margin (true class minus other class, summed over the blend) is positive for every other
    class. A class whose margin no member sees as negative is no rival. Images without a rival, or with one that all
    members prefer, are decided before the start: they are counted and dropped. What is left are pairs of an image and a
    rival: `margin [pairs, members]`, in the order of images. As margins are bounded, most pairs are soon decided,
    whichever member comes next, and only the others are computed. This is exact, gets faster as the blend gets longer,
    and takes little memory for any number of classes.
    """

    always: int  # images that every blend gets right
    images: int  # that are open
    margin: FloatArray  # [pairs, members]
    handicap: FloatArray  # [pairs]: what the sum of margins starts from
    image: IntArray  # [pairs], in 0..images-1

    def __init__(self, logits: LogitArray, targets: IntArray) -> None:
        self.always = self.images = 0
        margins, handicaps, numbers = [], [], []
        for rows, block in blocks(logits):
            pairs = _Pairs.of(softmax(block), targets[rows])
            margins.append(pairs.margin)
            handicaps.append(pairs.handicap)
            numbers.append(pairs.image + self.images)
            self.always, self.images = self.always + pairs.always, self.images + pairs.images
        self.handicap, self.image = np.concatenate(handicaps), np.concatenate(numbers)
        self.margin = np.empty((len(self.image), len(logits)))
        end = len(self.margin)
        while margins:  # each is let go once it is copied: with many classes, they are most of the memory
            last = margins.pop()
            self.margin[end - len(last) : end] = last
            end -= len(last)
        self.lowest, self.highest = _extremes(self.margin)
        self.restart()

    def of(self, members: IntArray) -> Self:
        """Return the same for these members alone, with an empty blend."""
        part = copy(self)
        margin = self.margin.take(members, axis=1)
        lowest, highest = _extremes(margin)
        always, rivals, part.image = open_pairs(lowest, highest, self.handicap, self.image, self.images)
        part.always, part.images = self.always + always, int(part.image[-1]) + 1 if rivals.size else 0
        part.margin, part.handicap = margin.take(rivals, axis=0), self.handicap[rivals]
        part.lowest, part.highest = lowest[rivals], highest[rivals]
        part.restart()
        return part

    def restart(self) -> None:
        """Empty the blend."""
        self.sum = self.handicap.copy()

    def with_each(self) -> IntArray:
        unbeaten = self.sum + self.lowest <= 0
        wrong = _marked(self.image[self.sum + self.highest <= 0], self.images)
        pairs = np.flatnonzero(unbeaten & ~wrong[self.image])
        image = self.image[pairs]
        counts = self.always + self.images - np.count_nonzero(_marked(self.image[unbeaten], self.images))
        if not pairs.size:
            return np.full(self.margin.shape[1], counts)
        margin = self.margin.take(pairs, axis=0)
        margin += self.sum[pairs, None]
        is_first = np.ones(len(image), dtype=bool)  # of the pairs of its image
        np.not_equal(image[1:], image[:-1], out=is_first[1:])
        right = np.logical_and.reduceat(margin > 0, np.flatnonzero(is_first), axis=0)
        total: IntArray = counts + np.count_nonzero(right, axis=0)
        return total

    def now(self) -> int:
        return self.always + self.images - int(np.count_nonzero(_marked(self.image[self.sum <= 0], self.images)))

    def add(self, member: int) -> None:
        self.sum += self.margin[:, member]


class _Pairs(NamedTuple):
    """What is open of some images: see BlendHits."""

    always: int
    images: int
    margin: FloatArray
    handicap: FloatArray
    image: IntArray

    @classmethod
    def of(cls, probabilities: FloatArray, targets: IntArray) -> _Pairs:
        members, images, classes = probabilities.shape
        rows = np.arange(images)
        margin = (probabilities[:, rows, targets][:, :, None] - probabilities).reshape(members, -1)
        # Between equal probabilities argmax takes the first class: the true class wins ties with later classes only.
        handicap = np.where(np.arange(classes) > targets[:, None], TIE, -TIE)
        handicap[rows, targets] = np.inf  # the true class is no rival of itself
        flat = handicap.ravel()
        image = np.repeat(rows, classes)
        always, rivals, image = open_pairs(margin.min(axis=0), margin.max(axis=0), flat, image, images)
        left = int(image[-1]) + 1 if rivals.size else 0
        return cls(always, left, np.ascontiguousarray(margin.take(rivals, axis=1).T), flat[rivals], image)


def open_pairs(
    lowest: FloatArray, highest: FloatArray, handicap: FloatArray, image: IntArray, images: int
) -> tuple[int, IntArray, IntArray]:
    """Return how many images are always right, which pairs of an image and a rival stay open, and the pairs' images.

    These images are numbered anew. `lowest` and `highest` are the members' extreme margins of each pair.
    """
    # Sums of margins of one sign lie beyond each of them.
    beaten = (lowest >= 0) & (lowest + handicap > 0)
    winning = (highest <= 0) & (highest + handicap <= 0)
    hopeless = _marked(image[winning], images)
    rivals = np.flatnonzero(~(beaten | hopeless[image]))
    is_open = _marked(image[rivals], images)
    always = images - int(np.count_nonzero(is_open | hopeless))
    return always, rivals, (np.cumsum(is_open) - 1)[image[rivals]]


def _extremes(margin: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least and the greatest value of each row; along a long last axis, that takes a fifth of the time."""
    lowest, highest = np.empty(len(margin)), np.empty(len(margin))
    for start in range(0, len(margin), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        by_member = np.ascontiguousarray(margin[part].T)
        by_member.min(axis=0, out=lowest[part])
        by_member.max(axis=0, out=highest[part])
    return lowest, highest


def _marked(places: IntArray, size: int) -> BoolArray:
    marks = np.zeros(size, dtype=bool)
    marks[places] = True
    return marks

"""Greedy forward selection of members, vectorised over members and images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ensembles.base import FloatArray, IntArray, LinearPool, LogitArray, register, softmax

METRICS = ("accuracy", "log_loss")
SMALLEST_PROBABILITY = 1e-15  # of a true class, so that one hopeless image cannot make every log-loss infinite
TIE = 1e-12  # probabilities and losses closer than this differ by rounding alone
FACTORS = 16  # probabilities multiplied before one logarithm: 16 factors of 1e-15 stay within float64


@register
@dataclass
class Greedy(LinearPool):
    """Ensemble selection: add, with replacement, the member that makes the mean of probabilities best.

    Takes `steps` steps and keeps the best prefix. There is no chance in it: ties break in a written order, which is the
    metric, the log-loss, members already chosen, the order of members; between prefixes the metric, the log-loss, the
    shorter.

    `order_` holds the chosen members, one a step, to the end of the best prefix. ValueError for an unknown `metric`
    (accuracy, log_loss) or less than one step.

    Caruana et al. 2004: doi:10.1145/1015330.1015432
    """

    steps: int = 25
    metric: str = "accuracy"

    name: ClassVar[str] = "greedy"
    title: ClassVar[str] = "Greedy selection"
    reference: ClassVar[str] = "doi:10.1145/1015330.1015432"
    complexity: ClassVar[int] = 3

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {self.metric!r}")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        probabilities = softmax(logits)
        log_loss = BlendLogLoss(probabilities, targets)
        hits = BlendHits(probabilities, targets) if self.metric == "accuracy" else None
        self.order_ = select(log_loss, hits, len(logits), self.steps)
        self.weights_ = np.bincount(self.order_, minlength=len(logits)) / len(self.order_)


def select(
    log_loss: BlendLogLoss, hits: BlendHits | None, members: int, steps: int, start: Iterable[int] = ()
) -> IntArray:
    """The chosen members in order, up to the best prefix; by hits, then log-loss, or by log-loss alone.

    The members of `start` are there from the beginning, and no prefix is shorter."""
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
        candidates = np.arange(members)
        count = 0
        if hits is not None:
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
    """Misses (0 without hits) up to a constant, and log-loss, of the running blend: the lower, the better."""
    return (0 if hits is None else -hits.now()), log_loss.now()


def best_step(path: Sequence[tuple[int, float]]) -> int:
    """The first of the best scores: fewest misses, then the lowest log-loss."""
    fewest_misses = min(misses for misses, _ in path)
    lowest = min(loss for misses, loss in path if misses == fewest_misses)
    return next(i for i, (misses, loss) in enumerate(path) if misses == fewest_misses and loss <= lowest + TIE)


class BlendLogLoss:
    """The log-loss of the running blend with each candidate added. Only true-class probabilities matter: [N, M]."""

    def __init__(self, probabilities: FloatArray, targets: IntArray) -> None:
        true = np.ascontiguousarray(probabilities[:, np.arange(len(targets)), targets].T)
        self.true = np.maximum(true, SMALLEST_PROBABILITY)
        self.group_starts = np.arange(0, len(targets), FACTORS)
        self.restart()

    def of(self, members: IntArray) -> Self:
        """The same for these members alone, with an empty blend."""
        part = copy(self)
        part.true = self.true[:, members]
        part.restart()
        return part

    def restart(self) -> None:
        """Empty the blend."""
        self.sum = np.zeros(len(self.true))
        self.size = 0

    def with_each(self, candidates: IntArray) -> FloatArray:
        total = self.true[:, candidates] + self.sum[:, None]
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
    class. Images on which all members are right, or all prefer one wrong class, are decided before the start: they are
    counted and dropped. Of the others, as margins are bounded, most are soon decided whichever member comes next; only
    what is open then is computed. This is exact, and faster the longer the blend.
    """

    def __init__(self, probabilities: FloatArray, targets: IntArray) -> None:
        by_class = np.ascontiguousarray(probabilities.transpose(2, 1, 0))
        images = np.arange(len(targets))
        self.margin = by_class[targets, images] - by_class  # [C, N, M]
        # Between equal probabilities argmax takes the first class: the true class wins ties with later classes only.
        self.handicap = np.where(np.arange(len(by_class))[:, None] > targets, TIE, -TIE)  # [C, N]
        self.handicap[targets, images] = np.inf  # the true class is no rival of itself
        self.always = 0
        self._drop_decided()
        self.restart()

    def of(self, members: IntArray) -> Self:
        """The same for these members alone, with an empty blend."""
        part = copy(self)
        part.margin = self.margin.take(members, axis=2)
        part._drop_decided()
        part.restart()
        return part

    def _drop_decided(self) -> None:
        # Sums of margins of one sign lie beyond each of them.
        lowest, highest = self.margin.min(axis=2), self.margin.max(axis=2)
        right = ((lowest >= 0) & (lowest + self.handicap > 0) | np.isinf(self.handicap)).all(axis=0)
        wrong = ((highest <= 0) & (highest + self.handicap <= 0)).any(axis=0)
        undecided = np.flatnonzero(~(right | wrong))
        self.always += int(np.count_nonzero(right))
        self.margin = self.margin.take(undecided, axis=1)
        self.handicap = self.handicap.take(undecided, axis=1)
        self.lowest, self.highest = lowest.take(undecided, axis=1), highest.take(undecided, axis=1)

    def restart(self) -> None:
        """Empty the blend."""
        self.sum = self.handicap.copy()

    def with_each(self) -> IntArray:
        right = (self.sum + self.lowest).min(axis=0) > 0
        wrong = (self.sum + self.highest).min(axis=0) <= 0
        undecided = np.flatnonzero(~(right | wrong))
        margin = self.margin.take(undecided, axis=1)
        margin += self.sum.take(undecided, axis=1)[:, :, None]
        counts: IntArray = self.always + np.count_nonzero(right) + np.count_nonzero(margin.min(axis=0) > 0, axis=0)
        return counts

    def now(self) -> int:
        return self.always + int(np.count_nonzero(self.sum.min(axis=0) > 0))

    def add(self, member: int) -> None:
        self.sum += self.margin[:, :, member]

"""Greedy forward selection of members, vectorised over members and images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
        log_loss = _BlendLogLoss(probabilities, targets)
        hits = _BlendHits(probabilities, targets) if self.metric == "accuracy" else None
        self.order_ = select(log_loss, hits, len(logits), self.steps)
        self.weights_ = np.bincount(self.order_, minlength=len(logits)) / len(self.order_)


def select(log_loss: _BlendLogLoss, hits: _BlendHits | None, members: int, steps: int) -> IntArray:
    """The chosen members in order, up to the best prefix; by hits, then log-loss, or by log-loss alone."""
    chosen = np.zeros(members, dtype=bool)
    order: list[int] = []
    path: list[tuple[int, float]] = []  # misses (0 throughout without hits) and log-loss after each step
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
        log_loss.add(winner)
        if hits is not None:
            hits.add(winner)
    fewest_misses = min(misses for misses, _ in path)
    lowest = min(loss for misses, loss in path if misses == fewest_misses)
    best = next(i for i, (misses, loss) in enumerate(path) if misses == fewest_misses and loss <= lowest + TIE)
    return np.array(order[: best + 1])


class _BlendLogLoss:
    """The log-loss of the running blend with each candidate added. Only true-class probabilities matter: [N, M]."""

    def __init__(self, probabilities: FloatArray, targets: IntArray) -> None:
        true = np.ascontiguousarray(probabilities[:, np.arange(len(targets)), targets].T)
        self.true = np.maximum(true, SMALLEST_PROBABILITY)
        self.sum = np.zeros(len(targets))
        self.size = 0
        self.group_starts = np.arange(0, len(targets), FACTORS)

    def with_each(self, candidates: IntArray) -> FloatArray:
        total = self.true[:, candidates] + self.sum[:, None]
        # A logarithm costs some ten multiplications, so probabilities are multiplied in groups first.
        products = np.multiply.reduceat(total, self.group_starts, axis=0)
        losses: FloatArray = np.log(self.size + 1) - np.log(products).sum(axis=0) / len(total)
        return losses

    def add(self, member: int) -> None:
        self.sum += self.true[:, member]
        self.size += 1


class _BlendHits:
    """The number of images that the running blend gets right with each candidate added.

    An image is right where the margin (true class minus other class, summed over the blend) is positive for every other
    class. Margins of all members are bounded, so most images are soon decided whichever member comes next; only the
    others are computed. This is exact, and faster the longer the blend.
    """

    def __init__(self, probabilities: FloatArray, targets: IntArray) -> None:
        by_image = np.ascontiguousarray(probabilities.transpose(1, 2, 0))
        self.margin = by_image[np.arange(len(targets)), targets][:, None, :] - by_image  # [N, C, M]
        self.lowest = self.margin.min(axis=2)
        self.highest = self.margin.max(axis=2)
        # Between equal probabilities argmax takes the first class: the true class wins ties with later classes only.
        self.sum = np.where(np.arange(by_image.shape[1]) > targets[:, None], TIE, -TIE)  # [N, C]
        self.sum[np.arange(len(targets)), targets] = np.inf  # the true class is no rival of itself

    def with_each(self) -> IntArray:
        right = (self.sum + self.lowest).min(axis=1) > 0
        wrong = (self.sum + self.highest).min(axis=1) <= 0
        undecided = np.flatnonzero(~(right | wrong))
        margin = self.margin[undecided]
        margin += self.sum[undecided, :, None]
        counts: IntArray = np.count_nonzero(right) + np.count_nonzero(margin.min(axis=1) > 0, axis=0)
        return counts

    def add(self, member: int) -> None:
        self.sum += self.margin[:, :, member]

"""Variants of greedy selection: on the log-loss, from a sorted start, and bagged over members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import IntArray, LogitArray
from ensembles.base import LinearPool
from ensembles.ranking import distinct, rank_alone
from ensembles.registry import register
from ensembles.selection import BlendHits, BlendLogLoss, Greedy, add, best_step, score, select


@register
@dataclass
class GreedyLogLoss(Greedy):
    """Greedy selection by the log-loss: smoother than the accuracy, which moves in steps of one image.

    Caruana et al. 2004: doi:10.1145/1015330.1015432
    """

    metric: str = "log_loss"

    name: ClassVar[str] = "greedy_log_loss"
    title: ClassVar[str] = "Greedy selection (log-loss)"
    use_when: ClassVar[str] = "As `greedy`, where probabilities count or the images are few"


@register
@dataclass
class GreedySorted(LinearPool):
    """Greedy selection by accuracy that starts from the `start_` best members instead of from none.

    Members are added in the order of their own accuracy, and the start is the prefix with the best blend (by accuracy,
    then by log-loss, then the shorter). `steps` steps as in `greedy` follow, and the best prefix is kept. A blend that
    is large from the beginning overfits less. Copies of a member count once in the start. `order_` holds the chosen
    members. ValueError for less than one step.

    Caruana et al. 2004, sorted ensemble initialisation: doi:10.1145/1015330.1015432
    """

    steps: int = 25

    name: ClassVar[str] = "greedy_sorted"
    title: ClassVar[str] = "Greedy selection from the best few"
    reference: ClassVar[str] = "doi:10.1145/1015330.1015432"
    complexity: ClassVar[int] = 3
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "As `greedy`, where the first few choices overfit"
    fitted: ClassVar[tuple[str, ...]] = ("start_", "order_")
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        _check_steps(self.steps)
        log_loss, hits = BlendLogLoss(logits, targets), BlendHits(logits, targets)
        ranked = distinct(rank_alone(log_loss, hits))
        path = []
        for member in ranked:
            add(member, log_loss, hits)
            path.append(score(log_loss, hits))
        self.start_ = best_step(path) + 1
        log_loss.restart()
        hits.restart()
        self.order_ = select(log_loss, hits, len(logits), self.steps, ranked[: self.start_])
        self.weights_ = np.bincount(self.order_, minlength=len(logits)) / len(self.order_)


@register
@dataclass
class GreedyBagged(LinearPool):
    """The mean weights of greedy selections by accuracy, each from its own random half of the members.

    `bags` selections of `steps` steps; each sees a share `bag_share` of the members, one at least. A member that is
    chosen by luck is missing from half of the bags, so that its luck counts for less. Bags are drawn in the order of
    the members' own accuracy, and copies of a member stay together, so that neither the order of members nor copies
    change the result. ValueError for less than one bag or step, or a share outside (0, 1].

    Caruana et al. 2004, bagged ensemble selection: doi:10.1145/1015330.1015432
    """

    bags: int = 20
    bag_share: float = 0.5
    steps: int = 25
    random_state: int = 0

    name: ClassVar[str] = "greedy_bagged"
    title: ClassVar[str] = "Bagged greedy selection"
    reference: ClassVar[str] = "doi:10.1145/1015330.1015432"
    complexity: ClassVar[int] = 3
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "As `greedy`, with less luck in the choice and more members used"
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        _check_steps(self.steps)
        if self.bags < 1:
            raise ValueError(f"bags must be at least 1, got {self.bags}")
        if not 0 < self.bag_share <= 1:
            raise ValueError(f"bag_share must be in (0, 1], got {self.bag_share}")
        log_loss, hits = BlendLogLoss(logits, targets), BlendHits(logits, targets)
        self.weights_ = np.zeros(len(logits))
        for bag in self.draw_bags(rank_alone(log_loss, hits)):
            order = select(log_loss.of(bag), hits.of(bag), len(bag), self.steps)
            self.weights_[bag] += np.bincount(order, minlength=len(bag)) / len(order) / self.bags

    def draw_bags(self, groups: list[IntArray]) -> list[IntArray]:
        """Return the members of each bag, sorted. The members of one of the `groups` stay together."""
        rng = np.random.default_rng(self.random_state)
        size = int(np.ceil(self.bag_share * len(groups)))
        draws = [rng.permutation(len(groups))[:size] for _ in range(self.bags)]
        return [np.sort(np.concatenate([groups[place] for place in draw])) for draw in draws]


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")

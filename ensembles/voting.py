"""The floors: one member, and the plain mean of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.base import IntArray, LinearPool, LogitArray, log_softmax, register


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

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        hits = np.count_nonzero(logits.argmax(axis=2) == targets, axis=1)
        log_loss = -log_softmax(logits)[:, np.arange(len(targets)), targets].mean(axis=1)
        best = np.lexsort((log_loss, -hits))[0]  # a stable sort: what is still tied stays in member order
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

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        self.weights_ = np.full(len(logits), 1.0 / len(logits))

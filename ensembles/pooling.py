"""Opinion pools with equal weights: geometric means, and means of calibrated members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, log_softmax, softmax
from ensembles.base import Ensembler
from ensembles.common_scale import OnCommonScale
from ensembles.registry import register


@register
@dataclass
class LogPool(Ensembler):
    """The normalised geometric mean of the members' probabilities: a logarithmic opinion pool with equal weights.

    It is softmax of the mean logits. A class is likely where all members find it likely: a member that calls it
    impossible has a veto. Genest and Zidek 1986: doi:10.1214/ss/1177013825
    """

    name: ClassVar[str] = "log_pool"
    title: ClassVar[str] = "Geometric mean"
    reference: ClassVar[str] = "doi:10.1214/ss/1177013825"
    complexity: ClassVar[int] = 1
    cost: ClassVar[str] = "none"
    use_when: ClassVar[str] = "Members that are calibrated alike: one that excludes a class has a veto"

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        """Fit nothing."""

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        return softmax(log_softmax(logits).mean(axis=0))


class CalibratedPool(OnCommonScale):
    """Each member at its own temperature (`temperatures_` `[members]`, each the best for the member's log-loss)."""

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        self.learn_scale(logits, targets)


@register
@dataclass
class LinearPoolCalibrated(CalibratedPool):
    """The mean of the members' probabilities, each member first calibrated by its own temperature.

    Over-confident members lose some influence, and under-confident members gain some. Whether that helps depends on the
    members: the mean of calibrated members is itself under-confident. Wu and Gales 2021: arXiv:2101.05397
    """

    name: ClassVar[str] = "linear_pool_calibrated"
    title: ClassVar[str] = "Average of calibrated members"
    reference: ClassVar[str] = "arXiv:2101.05397"
    complexity: ClassVar[int] = 3
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "Members that are over-confident to different degrees"

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        pooled: FloatArray = np.exp(self.on_common_scale(logits)).mean(axis=0)
        pooled /= pooled.sum(axis=1, keepdims=True)
        return pooled


@register
@dataclass
class LogPoolCalibrated(CalibratedPool):
    """The normalised geometric mean of the members' probabilities, each calibrated by its own temperature.

    Guo et al. 2017: arXiv:1706.04599
    """

    name: ClassVar[str] = "log_pool_calibrated"
    title: ClassVar[str] = "Geometric mean of calibrated members"
    reference: ClassVar[str] = "arXiv:1706.04599"
    complexity: ClassVar[int] = 3
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "As `log_pool`, where members are over-confident to different degrees"

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        return softmax(self.on_common_scale(logits).mean(axis=0))

"""Dynamic selection: which members are trusted depends on how they did on the most similar fit images."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import BoolArray, FloatArray, IntArray, LogitArray, pool, top_class
from ensembles.common_scale import OnCommonScale
from ensembles.inputs import by_sample
from ensembles.neighbours import nearest
from ensembles.registry import register

MOST_SEARCHED = 20_000  # fit images


@dataclass
class NearestOracles(OnCommonScale):
    """A mean of probabilities whose weights depend on which of the most similar fit images each member gets right.

    A subclass turns that into weights. There are `neighbours` similar images. For an image whose class all members name
    alike none are looked for, and all members count alike: no weights would change its class. The distance between two
    images is Euclidean, between the log-probabilities of the members, each at its own temperature, or between the
    `features` (penultimate activations, for example) where those were given; each feature is standardised first. Fit
    images are their own nearest neighbours, so that scores on them mean little. Of more than 20,000 fit images, as many
    are searched, evenly spaced: the time of a prediction grows with their number. ValueError for less than one
    neighbour.
    """

    neighbours: int = 7

    takes_features: ClassVar[bool] = True
    fitted: ClassVar[tuple[str, ...]] = ("mean_", "spread_", "features_", "correct_")

    def _fit(self, logits: LogitArray, targets: IntArray, features: FloatArray | None = None) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, got {self.neighbours}")
        if features is None:
            self.learn_scale(logits, targets)
            features = by_sample(self.on_common_scale(logits))
        self.mean_, spread = features.mean(axis=0), features.std(axis=0)
        self.spread_ = np.where(spread > 0, spread, 1.0)
        if len(features) > MOST_SEARCHED:
            searched = np.linspace(0, len(features) - 1, MOST_SEARCHED).round().astype(np.int64)
            features, logits, targets = features[searched], logits[:, searched], targets[searched]
        self.features_ = self._standardised(features)
        self.correct_ = np.array([top_class(member) == targets for member in logits]).T  # [searched, M]

    def _predict_proba(self, logits: LogitArray, features: FloatArray | None = None) -> FloatArray:
        disputed = _disputed(logits)
        weights = np.ones((logits.shape[1], len(logits)))
        if len(disputed):
            among = logits[:, disputed]
            features = by_sample(self.on_common_scale(among)) if features is None else features[disputed]
            features = self._standardised(features)
            chosen = self.weigh(self.correct_[nearest(features, self.features_, self.neighbours)])
            # Where no member is any good on the neighbours, all count alike.
            chosen += chosen.sum(axis=1, keepdims=True) == 0
            weights[disputed] = chosen
        pooled = pool(logits, weights.T)
        pooled /= pooled.sum(axis=1, keepdims=True)
        return pooled

    def _standardised(self, features: FloatArray) -> FloatArray:
        standardised = features - self.mean_
        standardised /= self.spread_
        return standardised

    @abstractmethod
    def weigh(self, correct: BoolArray) -> FloatArray:
        """Return weights `[samples, members]`, given which member is right on which neighbour of each sample.

        `correct` is `[samples, neighbours, members]`, the nearest neighbour first.
        """


def _disputed(logits: LogitArray) -> IntArray:
    """Return the images whose class the members do not all name alike."""
    first = top_class(logits[0])
    disputed = np.zeros(len(first), dtype=bool)
    for member in logits[1:]:
        disputed |= top_class(member) != first
    return np.flatnonzero(disputed)


@register
@dataclass
class KnoraUnion(NearestOracles):
    """KNORA-U: a member counts as often as it is right among the neighbours.

    Ko, Sabourin and Britto 2008: doi:10.1016/j.patcog.2007.10.015
    """

    name: ClassVar[str] = "knora_u"
    title: ClassVar[str] = "Dynamic selection, KNORA-U"
    reference: ClassVar[str] = "doi:10.1016/j.patcog.2007.10.015"
    complexity: ClassVar[int] = 5
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "As `knora_e`, with more members in each vote"

    def weigh(self, correct: BoolArray) -> FloatArray:
        weights: FloatArray = correct.sum(axis=1, dtype=float)
        return weights


@register
@dataclass
class KnoraEliminate(NearestOracles):
    """KNORA-E: only the members that are right on all neighbours count. Where no member is, the farthest neighbour is
    dropped, and so on.

    Ko, Sabourin and Britto 2008: doi:10.1016/j.patcog.2007.10.015
    """

    name: ClassVar[str] = "knora_e"
    title: ClassVar[str] = "Dynamic selection, KNORA-E"
    reference: ClassVar[str] = "doi:10.1016/j.patcog.2007.10.015"
    complexity: ClassVar[int] = 5
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "Members that are right on different kinds of images; takes features"

    def weigh(self, correct: BoolArray) -> FloatArray:
        streak = np.cumprod(correct, axis=1).sum(axis=1)  # neighbours in a row, from the nearest, that a member masters
        return ((streak == streak.max(axis=1, keepdims=True)) & (streak > 0)).astype(float)

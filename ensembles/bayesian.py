"""Weights from the members' likelihoods: Bayesian model averaging, and a variant that does not collapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembles.arrays import IntArray, LogitArray, log_likelihood, one_blas_thread, softmax
from ensembles.base import LinearPool
from ensembles.registry import register

SHARES_AT_ONCE = 2**21  # of images, over all draws: 16 MB


@register
@dataclass
class BayesianModelAveraging(LinearPool):
    """Weights proportional to the likelihood of the fit data under each member: posterior weights for a uniform prior.

    Likelihoods multiply over images: 0.01 nats of mean log-loss are a factor of e^36 for 3,589 images, so that nearly
    always one member has all of the weight. The method asks which member is the true model, and not which mixture
    predicts best.

    Hoeting et al. 1999: doi:10.1214/ss/1009212519
    """

    name: ClassVar[str] = "bma"
    title: ClassVar[str] = "Bayesian model averaging"
    reference: ClassVar[str] = "doi:10.1214/ss/1009212519"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "To see what posterior weights say: on many images they leave one member"
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        self.weights_ = softmax(log_likelihood(logits, targets).sum(axis=1))


@register
@dataclass
class PseudoBMA(LinearPool):
    """Pseudo-BMA+: the mean weights of Bayesian model averaging over `draws` Bayesian bootstraps of the images.

    A bootstrap weighs the images by a draw from the flat Dirichlet distribution. Members whose scores differ by chance
    alone then share the weight. ValueError for less than one draw.

    Yao et al. 2018: doi:10.1214/17-BA1091
    """

    draws: int = 500
    random_state: int = 0

    name: ClassVar[str] = "pseudo_bma"
    title: ClassVar[str] = "Bootstrapped model averaging"
    reference: ClassVar[str] = "doi:10.1214/17-BA1091"
    complexity: ClassVar[int] = 2
    cost: ClassVar[str] = "low"
    use_when: ClassVar[str] = "As `bma`, where luck with the images tells the members apart"
    streams: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1, got {self.draws}")
        log_true = log_likelihood(logits, targets)
        random, at_once = np.random.default_rng(self.random_state), max(1, SHARES_AT_ONCE // len(targets))
        totals = np.empty((self.draws, len(logits)))
        with one_blas_thread():
            for start in range(0, self.draws, at_once):
                part = totals[start : start + at_once]
                shares = random.standard_exponential((len(part), len(targets)))
                shares *= len(targets) / shares.sum(axis=1, keepdims=True)
                np.matmul(shares, log_true.T, out=part)
        self.weights_ = softmax(totals).mean(axis=0)

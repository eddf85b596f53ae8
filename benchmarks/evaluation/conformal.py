"""Split conformal prediction sets: as many classes as it takes to hold the right one as often as asked.

A class is in the set where its probability is at least 1 - quantile (LAC, Sadinle et al. 2019:
doi:10.1080/01621459.2017.1395341), and the top class always is. The quantile comes from images that the model was not
fitted on. NumPy only; `probabilities [N, C]`, `targets [N]`.
"""

from __future__ import annotations

import numpy as np


def conformal_quantile(probabilities: np.ndarray, targets: np.ndarray, coverage: float) -> float:
    """Return the quantile of 1 - probability of the right class at which sets cover that share of other images.

    It is the score of rank ceil((N + 1) * coverage), and 1, which leaves no class out, where there are too few images.
    """
    count = len(targets)
    scores = np.sort(1 - probabilities[np.arange(count), targets])
    rank = int(np.ceil((count + 1) * coverage - 1e-9))
    return float(scores[rank - 1]) if rank <= count else 1.0


def class_quantiles(probabilities: np.ndarray, targets: np.ndarray, coverage: float) -> np.ndarray:
    """Return a quantile a class `[C]`, from the images of that class alone: each class is covered as often as asked.

    1, which never leaves the class out, where there are too few of them. Vovk 2012: arXiv:1209.2673.
    """
    of = [targets == label for label in range(probabilities.shape[1])]
    return np.array([conformal_quantile(probabilities[own], targets[own], coverage) for own in of])


def prediction_sets(probabilities: np.ndarray, quantile: float | np.ndarray) -> np.ndarray:
    """Return which classes are in the sets, bool `[N, C]`; `quantile` is a number, or one a class `[C]`."""
    plausible: np.ndarray = probabilities >= 1 - quantile
    return plausible | (probabilities == probabilities.max(axis=1, keepdims=True))

"""Cross-validated scores: accuracy fold by fold, with an interval over folds and one over images or people.

The two answer different questions. Over people (or images): what would the networks that were trained here reach on
other faces. Over folds: what would this way of training reach on other training images, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation.metrics import correctness
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.significance import bootstrap_intervals
from benchmarks.results.analyses import CrossValidated, CrossValidatedRow
from benchmarks.store.targets import Targets


def cross_validated(
    rows: Sequence[ScoredModel], targets: Targets, test_folds: np.ndarray | None
) -> CrossValidated | None:
    """Score every row fold by fold; `test_folds` [N] says in which fold an image is test. None without folds."""
    if test_folds is None:
        return None
    correct = np.stack([correctness(row.test, targets.test) for row in rows])
    names = np.unique(test_folds)
    by_fold = np.stack([correct[:, test_folds == name].mean(axis=1) for name in names], axis=1)
    intervals = bootstrap_intervals(correct, groups=targets.test_groups)
    return {
        "sizes": [int((test_folds == name).sum()) for name in names],
        "people": None if targets.test_groups is None else len(np.unique(targets.test_groups)),
        "rows": [
            CrossValidatedRow(
                kind=row.kind,
                name=row.name,
                title=row.title,
                accuracies=own.tolist(),
                mean=float(own.mean()),
                fold_interval=fold_interval(own),
                interval=bounds.tolist(),
            )
            for row, own, bounds in zip(rows, by_fold, intervals, strict=True)
        ],
    }


def fold_interval(accuracies: np.ndarray, level: float = 0.95) -> list[float]:
    """Return the interval of the mean accuracy of k folds, by the corrected t of Nadeau and Bengio (2003).

    Any two folds share most of their training images, so that their scores are not independent, and the plain t
    interval is too narrow: the variance of the mean is taken as (1/k + 1/(k-1)) of that between folds, where the second
    part is test images by training images. Bounds stay within [0, 1].
    """
    from scipy.special import stdtrit

    count = len(accuracies)
    spread = float(np.std(accuracies, ddof=1)) * math.sqrt(1.0 / count + 1.0 / (count - 1))
    half = float(stdtrit(count - 1, 0.5 + level / 2.0)) * spread
    mean = float(np.mean(accuracies))
    return [max(0.0, mean - half), min(1.0, mean + half)]

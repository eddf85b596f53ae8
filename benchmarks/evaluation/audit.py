"""The audit: what other, less honest ways of scoring would have claimed, and how far the scores can be trusted.

None of it is a result, and none of it is used to choose anything. It reads test targets, as the scorer does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.models import ScoredModel, member_labels
from benchmarks.evaluation.recalibration import scaled
from benchmarks.results.analyses import (
    Audit,
    BestSubset,
    Calibration,
    Curve,
    Extrapolation,
    LearningCurve,
    OverlapScores,
)
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax
from ensembles.subsets import BestSubset as BestSubsetSearch

MOST_MEMBERS = 16  # in the exhaustive search: 65,535 subsets
CURVE_ORDERS, CURVE_STEPS = 40, 800  # random orders of the members, fewer where there are many: members added in all


def audit(
    rows: Sequence[ScoredModel], predictions: Sequence[Predictions], targets: Targets, temperatures: Sequence[float]
) -> Audit:
    """Audit the scores: `audit` of the results; `rows` are those of `scored_models`, `temperatures` theirs by val."""
    return {
        "best_subset_on_test": best_subset_on_test(predictions, targets),
        "overlap": {name: int(found.sum()) for name, found in targets.overlaps().items()} or None,
        "rows": [
            {"kind": row.kind, "name": row.name, "title": row.title, **_by_overlap(row, targets), **scaled}
            for row, scaled in zip(rows, calibration(rows, targets, temperatures), strict=True)
        ],
        "learning_curve": learning_curve(
            {split: np.stack([getattr(member, split) for member in predictions]) for split in ("val", "test")},
            {"val": targets.val, "test": targets.test},
        ),
    }


def best_subset_on_test(predictions: Sequence[Predictions], targets: Targets) -> BestSubset:
    """Return what the best uniform average claims when the test targets choose its members.

    Of all subsets of the MOST_MEMBERS members that are best on val.
    """
    order = sorted(range(len(predictions)), key=lambda m: -np.mean(predictions[m].val.argmax(1) == targets.val))
    candidates, labels = sorted(order[:MOST_MEMBERS]), member_labels(predictions)
    test = np.stack([predictions[index].test for index in candidates])
    best = BestSubsetSearch(max_members=MOST_MEMBERS).fit(test, targets.test)
    return {
        "accuracy": metrics.accuracy(best.predict_proba(test), targets.test),
        "members": [labels[candidates[index]] for index in best.members_used_],
        "subsets": 2 ** len(candidates) - 1,
        "candidates": len(candidates),
    }


def _by_overlap(row: ScoredModel, targets: Targets) -> OverlapScores:
    """Return accuracy on all test images, on those whose pixels do not stand in train, on those that do, and on those
    of which train has no near copy either.

    None where that is not known or there are none.
    """
    correct, in_train = metrics.correctness(row.test, targets.test), targets.test_in_train
    near = targets.test_near_train

    def accuracy_of(part: np.ndarray | None) -> float | None:
        return None if part is None or not part.any() else float(correct[part].mean())

    scores: OverlapScores = {
        "accuracy": float(correct.mean()),
        "unseen_accuracy": accuracy_of(None if in_train is None else ~in_train),
        "overlap_accuracy": accuracy_of(in_train),
    }
    if near is not None:
        scores["unlike_accuracy"] = accuracy_of(~near)
    return scores


def calibration(rows: Sequence[ScoredModel], targets: Targets, temperatures: Sequence[float]) -> list[Calibration]:
    """Return ECE, log-loss and Brier score on test of every row, before and after scaling by its temperature."""
    measured: list[Calibration] = []
    for row, fitted in zip(rows, temperatures, strict=True):
        cooled = scaled(row.test, fitted)
        measured.append(
            {
                "temperature": fitted,
                "ece": metrics.expected_calibration_error(row.test, targets.test),
                "log_loss": metrics.log_loss(row.test, targets.test),
                "brier": metrics.brier_score(row.test, targets.test),
                "ece_scaled": metrics.expected_calibration_error(cooled, targets.test),
                "log_loss_scaled": metrics.log_loss(cooled, targets.test),
                "brier_scaled": metrics.brier_score(cooled, targets.test),
            }
        )
    return measured


def learning_curve(
    logits: dict[str, np.ndarray], targets: dict[str, np.ndarray], random_state: int = 0
) -> LearningCurve:
    """Return the accuracy of the uniform average of k random members: mean and spread over random orders.

    `logits` and `targets` hold `[M, N, C]` and `[N]` of `val` and `test`; the orders are the same for both. The
    `extrapolation` is no measurement: accuracy = limit - slope / k, fitted by least squares to the means, at twice the
    members and in the limit; None below three members.
    """
    members = len(logits["val"])
    draws = max(2, min(CURVE_ORDERS, CURVE_STEPS // members))
    rng = np.random.default_rng(random_state)
    orders = [rng.permutation(members) for _ in range(draws)]
    return {
        "members": list(range(1, members + 1)),
        "orders": draws,
        "val": _curve(logits["val"], targets["val"], orders),
        "test": _curve(logits["test"], targets["test"], orders),
    }


def _curve(logits: np.ndarray, targets: np.ndarray, orders: Sequence[np.ndarray]) -> Curve:
    """Return the curve of one split."""
    probabilities = softmax(logits)
    accuracies = np.stack([prefix_accuracies(probabilities, order, targets) for order in orders])
    mean, sizes = accuracies.mean(axis=0), np.arange(1, len(logits) + 1)
    extrapolation: Extrapolation | None = None
    if len(logits) > 2:
        slope, limit = np.polyfit(-1.0 / sizes, mean, 1)
        twice = limit - slope / (2 * len(logits))
        extrapolation = {"twice": float(min(twice, 1.0)), "limit": float(min(limit, 1.0))}
    return {"mean": mean.tolist(), "spread": accuracies.std(axis=0).tolist(), "extrapolation": extrapolation}


def prefix_accuracies(probabilities: np.ndarray, order: np.ndarray, targets: np.ndarray) -> list[float]:
    """Return the accuracies of the uniform averages of the first 1, 2, ... members of `order`.

    `probabilities` are [M, N, C].
    """
    total = np.zeros(probabilities.shape[1:])
    accuracies = []
    for member in order:
        total += probabilities[member]
        accuracies.append(float((total.argmax(axis=1) == targets).mean()))
    return accuracies

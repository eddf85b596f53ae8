"""The audit: what other, less honest ways of scoring would have claimed, and how far the scores can be trusted.

None of it is a result, and none of it is used to choose anything. It reads test targets, as the scorer does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.models import ScoredModel, member_labels
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax
from ensembles.calibration import fit_temperatures
from ensembles.subsets import BestSubset

MOST_MEMBERS = 16  # in the exhaustive search: 65,535 subsets
CURVE_ORDERS, CURVE_STEPS = 40, 800  # random orders of the members, fewer where there are many: members added in all
SMALLEST = 1e-12  # of a probability, before its logarithm


def audit(rows: Sequence[ScoredModel], predictions: Sequence[Predictions], targets: Targets) -> dict[str, Any]:
    """`audit` of the results, as JSON values; `rows` are those of `predict_rows`."""
    return {
        "best_subset_on_test": best_subset_on_test(predictions, targets),
        "overlap": {name: int(found.sum()) for name, found in targets.overlaps().items()} or None,
        "rows": [
            {"kind": row.kind, "name": row.name, "title": row.title, **_by_overlap(row, targets), **scaled}
            for row, scaled in zip(rows, calibration(rows, targets), strict=True)
        ],
        "learning_curve": learning_curve(
            {"val": np.stack([one.val for one in predictions]), "test": np.stack([one.test for one in predictions])},
            {"val": targets.val, "test": targets.test},
        ),
    }


def best_subset_on_test(predictions: Sequence[Predictions], targets: Targets) -> dict[str, Any]:
    """What the best uniform average claims when the test targets choose its members: of all subsets of the
    MOST_MEMBERS members that are best on val."""
    order = sorted(range(len(predictions)), key=lambda m: -np.mean(predictions[m].val.argmax(1) == targets.val))
    candidates, labels = sorted(order[:MOST_MEMBERS]), member_labels(predictions)
    test = np.stack([predictions[index].test for index in candidates])
    chosen = BestSubset(max_members=MOST_MEMBERS).fit(test, targets.test)
    return {
        "accuracy": metrics.accuracy(chosen.predict_proba(test), targets.test),
        "members": [labels[candidates[index]] for index in chosen.members_used_],
        "subsets": 2 ** len(candidates) - 1,
        "candidates": len(candidates),
    }


def _by_overlap(row: ScoredModel, targets: Targets) -> dict[str, float | None]:
    """Accuracy on all test images, on those whose pixels do not stand in train, and on those that do; None where that
    is not known or there are none."""
    correct, in_train = metrics.correctness(row.test, targets.test), targets.test_in_train
    parts = {"unseen_accuracy": None if in_train is None else ~in_train, "overlap_accuracy": in_train}
    return {
        "accuracy": float(correct.mean()),
        **{
            name: None if part is None or not part.any() else float(correct[part].mean())
            for name, part in parts.items()
        },
    }


def calibration(rows: Sequence[ScoredModel], targets: Targets) -> list[dict[str, float]]:
    """Test ECE, log-loss and Brier score of every row, as they are and after one temperature, fitted on val.

    An ensembler that was fitted on val is overconfident there and no judge of itself: its temperature is too low.
    """
    val = np.log(np.maximum(np.stack([row.val for row in rows]), SMALLEST))
    temperatures = fit_temperatures(val, targets.val)
    found = []
    for row, temperature in zip(rows, temperatures, strict=True):
        cooled = softmax(np.log(np.maximum(row.test, SMALLEST)) / temperature)
        measured: dict[str, float] = {"temperature": float(temperature)}
        for suffix, probabilities in (("", row.test), ("_scaled", cooled)):
            measured[f"ece{suffix}"] = metrics.expected_calibration_error(probabilities, targets.test)
            measured[f"log_loss{suffix}"] = metrics.log_loss(probabilities, targets.test)
            measured[f"brier{suffix}"] = metrics.brier_score(probabilities, targets.test)
        found.append(measured)
    return found


def learning_curve(
    logits: dict[str, np.ndarray], targets: dict[str, np.ndarray], random_state: int = 0
) -> dict[str, Any]:
    """The accuracy of the uniform average of k random members, k = 1 to M: mean and spread over random orders.

    `logits` and `targets` hold `[M, N, C]` and `[N]` for every split; the orders are the same for all. The
    `extrapolation` is no measurement: accuracy = limit - slope / k, fitted by least squares to the means, at twice the
    members and in the limit; None below three members.
    """
    members = len(next(iter(logits.values())))
    draws = max(2, min(CURVE_ORDERS, CURVE_STEPS // members))
    rng = np.random.default_rng(random_state)
    orders = [rng.permutation(members) for _ in range(draws)]
    sizes = np.arange(1, members + 1)
    curve: dict[str, Any] = {"members": sizes.tolist(), "orders": draws}
    for split, values in logits.items():
        probabilities = softmax(values)
        found = np.stack([prefix_accuracies(probabilities, order, targets[split]) for order in orders])
        mean = found.mean(axis=0)
        curve[split] = {"mean": mean.tolist(), "spread": found.std(axis=0).tolist(), "extrapolation": None}
        if members > 2:
            slope, limit = np.polyfit(-1.0 / sizes, mean, 1)
            ahead = {"twice": limit - slope / (2 * members), "limit": limit}
            curve[split]["extrapolation"] = {name: float(min(value, 1.0)) for name, value in ahead.items()}
    return curve


def prefix_accuracies(probabilities: np.ndarray, order: np.ndarray, targets: np.ndarray) -> list[float]:
    """The accuracies of the uniform averages of the first 1, 2, ... members of `order`, for probabilities [M, N, C]."""
    total = np.zeros(probabilities.shape[1:])
    accuracies = []
    for member in order:
        total += probabilities[member]
        accuracies.append(float((total.argmax(axis=1) == targets).mean()))
    return accuracies

"""What reports show of images and classes, as counts: confusions, reliability, the path of greedy selection.

Like the audit it reads test targets and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.audit import prefix_accuracies
from benchmarks.evaluation.models import ScoredModel, member_labels
from benchmarks.evaluation.recalibration import scaled
from benchmarks.evaluation.reliability import reliability
from benchmarks.results import BEST_SINGLE
from benchmarks.results.analyses import Audit, Confusion, FigureData, GreedyPath
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax
from ensembles.selection import TIE, BlendHits, BlendLogLoss
from ensembles.selection import add as add_to_blend

LONGEST_PATH = 40  # members of the greedy path


def charts_data(
    rows: Sequence[ScoredModel],
    predictions: Sequence[Predictions],
    targets: Targets,
    audited: Audit,
    headline: str | None,
) -> FigureData:
    """Collect what figures show beside the scores: `charts` of the results.

    Test confusions and reliability of the member that is best on val and of the headline ensemble (the `shown`), and
    the greedy path. `rows` are those of `scored_models`, `audited` is their audit.
    """
    members = len(predictions)
    val_accuracy = [metrics.accuracy(row.val, targets.val) for row in rows[:members]]
    shown = [int(np.argmax(val_accuracy))]
    if headline != BEST_SINGLE:
        shown += [index for index, row in enumerate(rows) if row.kind == "ensemble" and row.name == headline]
    temperatures = [audited["rows"][index]["temperature"] for index in shown]
    return {
        "shown": [
            {
                "kind": rows[index].kind,
                "name": rows[index].name,
                "title": rows[index].title,
                "confusion": metrics.confusion_matrix(rows[index].test, targets.test).tolist(),
                "reliability": reliability(rows[index].test, targets.test),
                "reliability_scaled": reliability(scaled(rows[index].test, temperature), targets.test),
            }
            for index, temperature in zip(shown, temperatures, strict=True)
        ],
        "greedy_path": greedy_path(predictions, targets),
    }


def confusions(rows: Sequence[ScoredModel], targets: np.ndarray, headline: str | None) -> list[Confusion]:
    """Count targets by predictions on test for every member and the headline: `confusions` of the results."""
    return [
        {
            "kind": row.kind,
            "name": row.name,
            "title": row.title,
            "counts": metrics.confusion_matrix(row.test, targets).tolist(),
        }
        for row in rows
        if row.kind == "member" or row.name == headline
    ]


def greedy_path(predictions: Sequence[Predictions], targets: Targets) -> GreedyPath:
    """Order members as greedy selection without replacement takes them by val accuracy.

    Ties: lower log-loss, then the order of members. Also the accuracy of the uniform average after each, on val and
    test.
    """
    logits = np.stack([member.val for member in predictions])
    hits, log_loss = BlendHits(logits, targets.val), BlendLogLoss(logits, targets.val)
    order: list[int] = []
    for _ in range(min(len(predictions), LONGEST_PATH)):
        left = np.setdiff1d(np.arange(len(predictions)), order)
        counts = hits.with_each()[left]
        left = left[counts == counts.max()]
        losses = log_loss.with_each(left)
        order.append(int(left[np.flatnonzero(losses <= losses.min() + TIE)[0]]))
        add_to_blend(order[-1], log_loss, hits)
    names = member_labels(predictions)
    test = softmax(np.stack([member.test for member in predictions]))
    taken = np.array(order)
    return {
        "members": [names[index] for index in order],
        "val": prefix_accuracies(softmax(logits), taken, targets.val),
        "test": prefix_accuracies(test, taken, targets.test),
    }

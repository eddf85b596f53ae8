"""Why an ensemble works: how unlike its members err, and what each member that was left out would have changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.models import ScoredModel, member_labels
from benchmarks.results.analyses import Ambiguity, Diversity, LeftOut, SplitDiversity
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import diversity as measures
from ensembles.subsets import Pruned

NEAR_TWINS = Pruned.correlation  # of the errors of two members


def diversity(predictions: Sequence[Predictions], targets: Targets) -> Diversity:
    """Measure diversity on val and test: `diversity` of the results, with the members' labels."""
    return {
        "members": member_labels(predictions),
        "val": diversity_on(np.stack([member.val for member in predictions]), targets.val),
        "test": diversity_on(np.stack([member.test for member in predictions]), targets.test),
    }


def diversity_on(logits: np.ndarray, targets: np.ndarray) -> SplitDiversity:
    """Measure the diversity of logits `[M, N, C]` on one split.

    `pairs` holds a column a measure, an entry a pair `first < second` of members: disagreement, Q (None where it is not
    defined), double fault, kappa and mean error (the two axes of the kappa-error diagram); `mean` their means over
    pairs. `oracle_accuracy` is the share of images that any member gets right; `brier` and `log_loss` split the loss of
    the mean, and of the geometric mean, into that of the members less their ambiguity.
    """
    correct = logits.argmax(axis=2) == targets
    kappa, error = measures.kappa_error(logits, targets)
    first, second = np.triu_indices(len(logits), 1)
    matrices = {
        "disagreement": measures.pairwise_disagreement(correct),
        "q": measures.q_statistic(correct),
        "double_fault": measures.double_fault(correct),
        "kappa": kappa,
        "error": error,
    }
    columns = {name: matrix[first, second] for name, matrix in matrices.items()}
    return {
        "oracle_accuracy": measures.oracle_accuracy(correct),
        "brier": _ambiguity(measures.squared_ambiguity(logits, targets)),
        "log_loss": _ambiguity(measures.log_loss_ambiguity(logits, targets)),
        "mean": {name: _mean(column) for name, column in columns.items()},
        "pairs": {
            "first": first.tolist(),
            "second": second.tolist(),
            "disagreement": columns["disagreement"].tolist(),
            "q": _defined(columns["q"]),
            "double_fault": columns["double_fault"].tolist(),
            "kappa": _defined(columns["kappa"]),
            "error": columns["error"].tolist(),
        },
    }


def _ambiguity(parts: measures.Ambiguity) -> Ambiguity:
    return {"ensemble": parts.ensemble, "members": parts.members, "ambiguity": parts.ambiguity}


def _defined(column: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in column.tolist()]


def _mean(column: np.ndarray) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.mean()) if known.size else None


class LeftOutMembers:
    """Explains, from val alone, why ensembles of the same members give some of them no weight."""

    def __init__(self, members: Sequence[ScoredModel], targets: np.ndarray) -> None:
        self.members, self.targets = members, targets
        self.classes = np.stack([member.val.argmax(axis=1) for member in members])
        correct = self.classes == targets
        self.accuracy, correlation = correct.mean(axis=1), measures.error_correlation(correct)
        self.alike = np.nan_to_num(correlation, nan=-1.0)

    def of(self, ensemble: ScoredModel, used: Sequence[int]) -> list[LeftOut]:
        """Explain why an ensemble uses those members alone.

        For every other one: the change of val log-loss and accuracy when the member is averaged in with the weight of
        one of the k members used, 1 / (k + 1); the member used whose errors are the most like its own, and on which
        share of the images both predict the same class; and the reason these give.
        """
        taken = list(used)
        losses, accuracy = metrics.log_loss(ensemble.val, self.targets), metrics.accuracy(ensemble.val, self.targets)
        reasons: list[LeftOut] = []
        for index in sorted(set(range(len(self.members))) - set(taken)):
            nearest = taken[int(self.alike[index, taken].argmax())]
            mixed = (len(taken) * ensemble.val + self.members[index].val) / (len(taken) + 1)
            facts: LeftOut = {
                "member": self.members[index].name,
                "val_log_loss_change": metrics.log_loss(mixed, self.targets) - losses,
                "val_accuracy_change": metrics.accuracy(mixed, self.targets) - accuracy,
                "nearest": self.members[nearest].name,
                "agreement": float((self.classes[nearest] == self.classes[index]).mean()),
                "reason": "",
            }
            weakest = bool(self.accuracy[index] < self.accuracy[taken].min())
            facts["reason"] = _reason(facts, float(self.alike[index, nearest]), weakest)
            reasons.append(facts)
        return reasons


def _reason(facts: LeftOut, correlation: float, weakest: bool) -> str:
    loss, accuracy = facts["val_log_loss_change"], facts["val_accuracy_change"]
    numbers = f"log-loss {loss:+.4f}, accuracy {100 * accuracy:+.2f} points on val"
    if correlation > NEAR_TWINS:
        return f"near twin of {facts['nearest']}: their errors correlate by {correlation:.2f}; {numbers}"
    weak = "weaker than every member used; " if weakest else ""
    if loss >= 0 and accuracy <= 0:
        return f"{weak}adds nothing: {numbers}"
    if loss < 0 and accuracy > 0:
        return f"{weak}would have helped where it was fitted, but the method chose otherwise: {numbers}"
    return f"{weak}a gain in one measure is a loss in the other: {numbers}"

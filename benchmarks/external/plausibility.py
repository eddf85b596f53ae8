"""Whether predictions made elsewhere can be what they are said to be. No target of test is looked at.

A wrong order of rows or classes, the wrong file, and a leak each leave traces on val. What is found wrong is told with
its likely reason; what is merely odd is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.significance import mcnemar
from benchmarks.formats import percent
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax

REORDERED_GAIN = 0.1  # in accuracy, by which another order of rows has to be better to be believed
RECLASSED_GAIN, RECLASSED_P = 0.03, 0.01  # the same for another order of classes; two rare ones move little
SAME_PROBABILITIES = 0.003  # mean difference; rounding to two decimals gives less, two seeds ten times more
SHIFTED_SHARES = 0.1  # total variation of the predicted classes between val and test


class Implausible(ValueError):
    """Predictions that are not what they should be; the message gives the likely reason."""


@dataclass(frozen=True)
class Findings:
    """What was found of predictions that can be used."""

    val_accuracy: float
    nearest: tuple[str, float] | None  # the model that agrees most on val, and the share of images
    warnings: tuple[str, ...]


def examine(
    val: np.ndarray,
    test: np.ndarray,
    targets: Targets,
    others: Sequence[Predictions],
    limit: float | None,
    accept: bool,
) -> Findings:
    """Judge logits [N, classes] in the store's order beside the other models of the store; raises Implausible.

    `limit` is the accuracy above which a leak is more likely than merit; with `accept`, passing it is a warning.
    """
    _refuse_wrong_order(val, test, targets)
    accuracy, floor = _accuracy(val, targets.val), np.bincount(targets.val).max() / len(targets.val)
    if accuracy <= floor:
        common = targets.classes[np.bincount(targets.val).argmax()]
        raise Implausible(
            f"{_score(accuracy)} on val is no better than always answering {common!r} ({_score(floor)}): rows in an "
            "unknown order, images of another data set, or a model that has learned nothing"
        )
    _refuse_duplicate(val, test, others)
    warnings = list(_oddities(val, test))
    if limit is not None and accuracy > limit:
        suspicion = (
            f"{_score(accuracy)} on val is above {_score(limit)}, which no clean result has passed: make sure that no "
            "image of val or test, nor a copy of one, was trained on"
        )
        if not accept:
            raise Implausible(f"{suspicion}; --accept-suspicious takes it all the same")
        warnings.append(suspicion)
    return Findings(accuracy, _nearest(val, others), tuple(warnings))


def _refuse_wrong_order(val: np.ndarray, test: np.ndarray, targets: Targets) -> None:
    accuracy = _accuracy(val, targets.val)
    for order, other in _other_orders(val, test, targets):
        if other > accuracy + REORDERED_GAIN:
            raise Implausible(
                f"rows seem to be {order}: so read, val scores {_score(other)}, and as given {_score(accuracy)}; give "
                "ids, or rows in the official order"
            )
    classes = _best_class_order(val, targets)
    right, reclassed = val.argmax(1) == targets.val, val[:, classes].argmax(1) == targets.val
    if reclassed.mean() > accuracy + RECLASSED_GAIN and mcnemar(right, reclassed) < RECLASSED_P:
        names = [""] * len(classes)
        for index, column in enumerate(classes):
            names[column] = targets.classes[index]
        raise Implausible(
            f"columns seem to be in another class order: {', '.join(names)}; so read, val scores "
            f"{_score(float(reclassed.mean()))}, and as given {_score(accuracy)}; name the classes, or give them in "
            f"the order {', '.join(targets.classes)}"
        )


def _other_orders(val: np.ndarray, test: np.ndarray, targets: Targets) -> Iterator[tuple[str, float]]:
    """Try orders that rows often have by mistake, each with the accuracy on val were the file in that order."""
    official = np.arange(len(val)) if targets.val_rows is None else np.argsort(targets.val_rows)
    answers, goal = val[official].argmax(1), targets.val[official]
    alphabetical = np.argsort(np.argsort(targets.classes))[targets.val]
    orders = {
        "in the store's own order": targets.val,
        "class by class in alphabetical order, as folders are listed": targets.val[np.argsort(alphabetical)],
        "class by class": np.sort(targets.val),
        "in reverse": goal[::-1],
    }
    for words, truth in orders.items():
        yield words, float((answers == truth).mean())
    if len(test) == len(val):
        order = np.arange(len(test)) if targets.test_rows is None else np.argsort(targets.test_rows)
        yield "those of test, and those of test val's", float((test[order].argmax(1) == goal).mean())


def _best_class_order(val: np.ndarray, targets: Targets) -> np.ndarray:
    """Return which column would belong to each class if columns could be renamed to fit val best."""
    from scipy.optimize import linear_sum_assignment

    classes = len(targets.classes)
    counts = np.bincount(targets.val * classes + val.argmax(1), minlength=classes**2).reshape(classes, classes)
    return linear_sum_assignment(counts, maximize=True)[1]


def _refuse_duplicate(val: np.ndarray, test: np.ndarray, others: Sequence[Predictions]) -> None:
    if val.shape == test.shape and np.array_equal(val, test):
        raise Implausible("val and test hold the same numbers")
    for other in others:
        same = [_same(ours, theirs) for ours, theirs in ((val, other.val), (test, other.test))]
        alike = all(
            (ours.argmax(1) == theirs.argmax(1)).all() for ours, theirs in ((val, other.val), (test, other.test))
        )
        if any(same) or alike:
            where = "val and test are" if all(same) or alike else "val is" if same[0] else "test is"
            raise Implausible(f"{where} what {other.configuration.stem} predicts: a duplicate adds nothing")


def _same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return bool(np.abs(softmax(ours) - softmax(theirs)).mean() < SAME_PROBABILITIES)


def _oddities(val: np.ndarray, test: np.ndarray) -> Iterator[str]:
    shares = [np.bincount(logits.argmax(1), minlength=logits.shape[1]) / len(logits) for logits in (val, test)]
    shift = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    if shift > SHIFTED_SHARES:
        yield f"val and test are given other mixes of classes ({_score(shift)} of the answers): are both of one model?"
    if all((softmax(logits).max(1) > 1.0 - 1e-5).all() for logits in (val, test)):
        yield "every answer is certain: with hard labels, most ensembles lose what a model knows of its own doubt"


def _nearest(val: np.ndarray, others: Sequence[Predictions]) -> tuple[str, float] | None:
    agreements = [(other.configuration.stem, float((other.val.argmax(1) == val.argmax(1)).mean())) for other in others]
    return max(agreements, key=lambda agreement: agreement[1], default=None)


def _accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((logits.argmax(1) == targets).mean())


def _score(share: float) -> str:
    return f"{percent(share)} %"

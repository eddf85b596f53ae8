"""Whether files that have no digests can be what was written: older ones, and those that other tools made."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.files import DamagedFile, read_csv
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration, Transferred
from benchmarks.store.targets import Targets

NEAR = 0.05  # between the val accuracy of stored logits and that of training; 1.5 points at most in what is committed
STANDARD_ERRORS = 4.0
MEND = "restore it, or remove it and have its member predict anew (--train missing)"


def judge_logits(path: Path, identity: Configuration, val: np.ndarray, test: np.ndarray, targets: Targets) -> None:
    """Refuse logits [N, classes] of both splits that cannot be as they were written; raise StoreError.

    That is where an image has the same logit for every class, as in a block of zeros, where both splits hold the same
    rows, and where the accuracy on val is not that of the training history beside the file.
    """
    for split, logits in (("val", val), ("test", test)):
        level = np.flatnonzero(np.ptp(logits, axis=1) == 0)
        if len(level):
            raise StoreError(
                f"{path.name}: {split} says nothing of {len(level)} images, first of row {level[0]}; {MEND}"
            )
    if val.shape == test.shape and np.array_equal(val, test):
        raise StoreError(f"{path.name}: val and test hold the same numbers; {MEND}")
    trained = best_accuracy(path, identity)
    if trained is None:
        return
    accuracy = float((val.argmax(1) == targets.val).mean())
    if abs(accuracy - trained) > max(NEAR, STANDARD_ERRORS * math.sqrt(0.25 / len(val))):
        raise StoreError(
            f"{path.name}: has {100 * accuracy:.1f} % on val, where its training ended at {100 * trained:.1f} % "
            f"({path.with_suffix('.csv').name}); {MEND}"
        )


def best_accuracy(path: Path, identity: Configuration) -> float | None:
    """Return the best val accuracy in the training history beside predictions; None where it says nothing of them.

    That is where there is no history, and of trees, folds and members from another suite: their history is of others.
    """
    if isinstance(identity, Transferred) or identity.member.features_of or identity.member.recipe.folds:
        return None
    try:
        rows = read_csv(path.with_suffix(".csv"), numbers=("val_accuracy",))
    except DamagedFile:
        return None  # whoever shows it names it
    return max((float(row["val_accuracy"]) for row in rows), default=None)


def far_above(val: float, test: float, images: tuple[int, int]) -> bool:
    """Say whether an accuracy on test is above that on val by more than four standard errors of their difference.

    Chance does that once in 30,000 models; answers of test that were put right, or learnt, do it soon.
    """
    share = (val * images[0] + test * images[1]) / sum(images)
    error = math.sqrt(share * (1.0 - share) * (1.0 / images[0] + 1.0 / images[1]))
    return test - val > STANDARD_ERRORS * error

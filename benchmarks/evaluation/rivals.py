"""What the page on a suite's results needs beside the scores: the headline's rivals, duplicates, and label noise.

Like the audit it reads test targets and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.label_noise import label_noise
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.significance import bootstrap_intervals, mcnemar, share_difference_interval, wilson_interval
from benchmarks.results import BEST_SINGLE, UNIFORM
from benchmarks.results.analyses import Audit
from benchmarks.results.summary import Duplicates, PartOfTest, Rival, Summary
from benchmarks.store.targets import Targets


def summary(
    rows: Sequence[ScoredModel],
    members: int,
    targets: Targets,
    audited: Audit,
    headline: str | None,
    votes: np.ndarray | None,
) -> Summary:
    """Compute what the summary page needs beside the scores: `summary` of the results.

    `rows` are those of `scored_models`, of which the first `members` are what ensembles are made of, `audited` is their
    audit, and `votes` [N,10] are the annotators' of the test images, None where they are not at hand.
    """
    ensembles = [row for row in rows if row.kind == "ensemble"]
    rows = [*rows[:members], *ensembles]
    best = next((row for row in ensembles if row.name == headline), None)
    single = _best(rows, "member", targets.val, "val")
    if best is None:
        models = {"single": single}
    elif best.name == BEST_SINGLE:
        models = {"headline": single}  # the same model twice: it is shown once, by its name
    else:
        models = {"headline": best, "single": single}
    return {
        "rivals": [] if best is None else _rivals(best, rivals(rows, targets, audited), targets),
        "overlap": _overlap(models, targets),
        "label_noise": None if votes is None else label_noise(models, targets.test, targets.classes, votes),
    }


def rivals(rows: Sequence[ScoredModel], targets: Targets, audited: Audit) -> dict[str, ScoredModel]:
    """Return the models that the headline is compared with: chosen on val, on nothing, or on test itself."""
    members = [row for row in rows if row.kind == "member"]
    subset = [row for row in members if row.name in audited["best_subset_on_test"]["members"]]
    mean = {split: np.mean([getattr(row, split) for row in subset], axis=0) for split in ("val", "test")}
    models = {
        "single_on_val": _best(rows, "member", targets.val, "val"),
        "uniform": next((row for row in rows if row.kind == "ensemble" and row.name == UNIFORM), None),
        "single_on_test": _best(rows, "member", targets.test, "test"),
        "method_on_test": _best(rows, "ensemble", targets.test, "test"),
        "subset_on_test": ScoredModel("ensemble", "subset_on_test", " + ".join(row.title for row in subset), **mean),
    }
    return {part: row for part, row in models.items() if row is not None}


def _best(rows: Sequence[ScoredModel], kind: str, labels: np.ndarray, split: str) -> ScoredModel:
    """Return the row of a kind with the best accuracy on a split, the first of equals."""
    return max(
        (row for row in rows if row.kind == kind),
        key=lambda row: metrics.accuracy(getattr(row, split), labels),
    )


def _rivals(headline: ScoredModel, others: Mapping[str, ScoredModel], targets: Targets) -> list[Rival]:
    """Compare the headline with each rival: accuracy, difference, paired interval, McNemar's p."""
    mine = metrics.correctness(headline.test, targets.test)
    theirs = np.stack([metrics.correctness(row.test, targets.test) for row in others.values()])
    intervals = bootstrap_intervals(mine.astype(np.int8) - theirs, groups=targets.test_groups)
    return [
        {
            "part": part,
            "title": row.title,
            "accuracy": float(correct.mean()),
            "difference": float(mine.mean() - correct.mean()),
            "difference_interval": interval.tolist(),
            "p": mcnemar(mine, correct),
        }
        for (part, row), correct, interval in zip(others.items(), theirs, intervals, strict=True)
    ]


def _overlap(models: Mapping[str, ScoredModel], targets: Targets) -> list[Duplicates] | None:
    """Return each model's accuracy on test images whose pixels stand in train, and on the others.

    None where that is not known, or one of the two has no image.
    """
    seen = targets.test_in_train
    if seen is None or seen.all() or not seen.any():
        return None
    duplicates: list[Duplicates] = []
    for part, row in models.items():
        correct = metrics.correctness(row.test, targets.test)
        every, unseen, known = (
            (int(correct[among].sum()), int(among.sum())) for among in (np.ones_like(seen), ~seen, seen)
        )
        # What all images have above those not seen is the seen ones' share of the gap between the two.
        share, gap = seen.mean(), share_difference_interval(*known, *unseen)
        duplicates.append(
            {
                "part": part,
                "title": row.title,
                "all": _part_of_test(*every),
                "unseen": _part_of_test(*unseen),
                "seen": _part_of_test(*known),
                "worth_interval": [float(share * bound) for bound in gap],
            }
        )
    return duplicates


def _part_of_test(hits: int, images: int) -> PartOfTest:
    return {"images": images, "accuracy": hits / images, "interval": wilson_interval(hits, images)}

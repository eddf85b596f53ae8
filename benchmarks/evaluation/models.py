"""What every row of the leaderboard predicts: members first, then the ensemblers that were fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.formats import labels
from benchmarks.store.predictions import Predictions
from ensembles import softmax
from ensembles.search import SearchResult


@dataclass(frozen=True, eq=False)
class ScoredModel:
    """Class probabilities `[N, C]` on two splits. `name` is the member's label or the ensembler's name."""

    kind: str  # member, ensemble
    name: str
    title: str
    val: np.ndarray
    test: np.ndarray


def member_labels(predictions: Sequence[Predictions]) -> list[str]:
    """How rows and reports name the members."""
    return labels((one.configuration.name, one.configuration.seed) for one in predictions)


def scored_models(
    predictions: Sequence[Predictions], found: Sequence[SearchResult], excluded: Sequence[Predictions] = ()
) -> list[ScoredModel]:
    """The rows in the order of the members, then of those `excluded` from what was found of the others, then of that;
    ensemblers that failed have none."""
    everyone = [*predictions, *excluded]
    rows = [
        ScoredModel("member", label, label, softmax(one.val), softmax(one.test))
        for label, one in zip(member_labels(everyone), everyone, strict=True)
    ]
    val, test = (np.stack([getattr(one, split) for one in predictions]) for split in ("val", "test"))
    for one in found:
        if one.ensembler is not None:
            predict = one.ensembler.predict_proba
            rows.append(ScoredModel("ensemble", one.name, one.title, predict(val), predict(test)))
    return rows

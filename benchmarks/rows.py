"""What every row of the leaderboard predicts: members first, then the ensemblers that were fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.predictions import Predictions
from benchmarks.tables import labels
from ensembles import softmax
from ensembles.search import Found


@dataclass(frozen=True, eq=False)
class Row:
    """Class probabilities `[N, C]` on two splits. `name` is the member's label or the ensembler's name."""

    kind: str  # member, ensemble
    name: str
    title: str
    val: np.ndarray
    test: np.ndarray


def member_labels(predictions: Sequence[Predictions]) -> list[str]:
    """How rows and reports name the members."""
    return labels((one.configuration.name, one.configuration.seed) for one in predictions)


def predict_rows(
    predictions: Sequence[Predictions], found: Sequence[Found], apart: Sequence[Predictions] = ()
) -> list[Row]:
    """The rows in the order of the members, then of those `apart` from what was found of the others, then of that;
    ensemblers that failed have none."""
    everyone = [*predictions, *apart]
    rows = [
        Row("member", label, label, softmax(one.val), softmax(one.test))
        for label, one in zip(member_labels(everyone), everyone, strict=True)
    ]
    val, test = (np.stack([getattr(one, split) for one in predictions]) for split in ("val", "test"))
    for one in found:
        if one.ensembler is not None:
            predict = one.ensembler.predict_proba
            rows.append(Row("ensemble", one.name, one.title, predict(val), predict(test)))
    return rows

"""What every row of the leaderboard predicts: members first, then the ensemblers that were fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from benchmarks.data.mapped import on_disk
from benchmarks.formats import labels
from benchmarks.store.predictions import Predictions
from ensembles import softmax
from ensembles.search import SearchResult
from ensembles.streaming import StackedMembers

STACKED_BYTES = 2**30
"""Logits of all members past this are not copied into one array; those of 1,000 members of FER2013 are a tenth."""


@dataclass(frozen=True, eq=False)
class ScoredModel:
    """Class probabilities `[N, C]` on two splits. `name` is the member's label or the ensembler's name.

    `held_out` `[repeats, N, C]` are those of val by fits of an ensembler that had not seen the image; None of members,
    which were not fitted there.
    """

    kind: str  # member, ensemble
    name: str
    title: str
    val: np.ndarray
    test: np.ndarray
    held_out: np.ndarray | None = None

    @property
    def unseen(self) -> np.ndarray:
        """Return what the row says of val images that it was not fitted on, `[repeats, N, C]`; a member was on none."""
        return self.val[None] if self.held_out is None else self.held_out


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray | StackedMembers:
    """Return logits [N, C] of members as [members, N, C]: in one array, or, past STACKED_BYTES, as they lie apart."""
    return StackedMembers(arrays) if sum(array.nbytes for array in arrays) > STACKED_BYTES else np.stack(arrays)


def member_labels(predictions: Sequence[Predictions]) -> list[str]:
    """Name the members as rows and reports do."""
    return labels((member.configuration.name, member.configuration.seed) for member in predictions)


def predict_by(result: SearchResult, logits: np.ndarray | StackedMembers) -> np.ndarray:
    """Return the probabilities float64 [N, C] that an ensembler, which was fitted, gives to members' logits."""
    assert result.ensembler is not None
    return result.ensembler.predict_proba(cast(np.ndarray, logits))  # which checks treat as an array


def scored_models(
    predictions: Sequence[Predictions],
    search_results: Sequence[SearchResult],
    excluded: Sequence[Predictions] = (),
    predict: Callable[[SearchResult, np.ndarray | StackedMembers], np.ndarray] = predict_by,
) -> list[ScoredModel]:
    """Return what every row predicts: members, then those `excluded` from the ensembles, then fitted ensemblers.

    Past STACKED_BYTES of logits it lies on the disk, so that memory does not grow with the rows.
    """
    everyone = [*predictions, *excluded]
    val, test = (stacked([getattr(member, split) for member in predictions]) for split in ("val", "test"))
    kept = on_disk if isinstance(val, StackedMembers) or isinstance(test, StackedMembers) else np.asarray
    rows = [
        ScoredModel("member", label, label, kept(softmax(member.val)), kept(softmax(member.test)))
        for label, member in zip(member_labels(everyone), everyone, strict=True)
    ]
    for result in search_results:
        if result.ensembler is not None:
            held_out = result.cross_fit_probabilities
            on_val, on_test = kept(predict(result, val)), kept(predict(result, test))
            rows.append(ScoredModel("ensemble", result.name, result.title, on_val, on_test, held_out))
    return rows

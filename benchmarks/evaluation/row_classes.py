"""Members that stand apart from the others: those that learnt from labels which are not the suite's own, known by their
recipes, those whose files say that they come from a package or from an author's weights, and those whose budgets were
short, by what val says of them. They are kept out of the ensembles of the others, so that the headline is of members
that learnt from the same labels, for as long as they gained by it, and were chosen on val."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.results.row_classes import SHORT_BUDGET
from benchmarks.store.predictions import Predictions
from benchmarks.suites.suite import ExtraLabels
from zoo import registry
from zoo.recipes import GUIDES, named_members

LAG = 0.04  # of accuracy on val behind the best member
LATE = 0.1  # share of the epochs
ENOUGH = 5


def split_row_classes(
    predictions: Sequence[Predictions], extra: ExtraLabels | None, val: np.ndarray | None = None
) -> tuple[list[Predictions], list[Predictions]]:
    """Split members into those that ensembles are made of and those that stand apart.

    The provenance of members that learnt from the suite's extra labels then says so; with the targets of `val` [N],
    that of members trained on short budgets, too. Where all stand apart, ensembles are made of those with extra labels,
    else of those from elsewhere. Both lists keep their order.
    """
    everyone = [_with_extra_labels(member, extra) for member in predictions]
    if val is not None:
        everyone = _with_short_budgets(everyone, val)
    places = [_distance(member) for member in everyone]
    nearest = min(places, default=0)
    return (
        [member for member, place in zip(everyone, places, strict=True) if place == nearest],
        [member for member, place in zip(everyone, places, strict=True) if place != nearest],
    )


def _with_extra_labels(member: Predictions, extra: ExtraLabels | None) -> Predictions:
    if extra is None or not learns_from_votes(member.configuration.described()["recipe"] or {}):
        return member
    return replace(member, provenance={**member.provenance, "extra_labels": extra.name})


def _with_short_budgets(everyone: Sequence[Predictions], val: np.ndarray) -> list[Predictions]:
    """Mark members of the zoo whose training ended while it was still gaining on val, far below the best one there.

    What they say is of their budget, and a mean with them is worse than without. All stay as they are where fewer than
    `ENOUGH` would be left to make ensembles of.
    """
    accuracies = [float((member.val.argmax(1) == val).mean()) for member in everyone]
    usual = [place for place, member in enumerate(everyone) if not _distance(member)]
    least = max((accuracies[place] for place in usual), default=0.0) - LAG
    short = {place for place in usual if accuracies[place] < least and _still_gaining(everyone[place])}
    if len(usual) - len(short) < ENOUGH:
        return list(everyone)
    mark = {"row_class": SHORT_BUDGET.name}
    return [
        replace(member, provenance={**member.provenance, **mark}) if place in short else member
        for place, member in enumerate(everyone)
    ]


def _still_gaining(member: Predictions) -> bool:
    """Say whether a member's best epoch was in the last tenth of its training."""
    epochs, best = member.configuration.described()["epochs"], member.provenance.get("best_epoch")
    return bool(epochs and best and best > epochs - math.ceil(LATE * epochs))


def _distance(member: Predictions) -> int:
    """Return 0 of members like the suite's own, 1 of those with extra labels, 2 of those from elsewhere."""
    if member.provenance.get("row_class"):
        return 2
    return 1 if member.provenance.get("extra_labels") else 0


def learns_from_votes(recipe: Mapping[str, Any]) -> bool:
    """Tell whether a recipe asks for votes, or for a teacher, a judge or an annotator that does.

    The recipe is given as what differs from the defaults.

    They are taken as they are registered.
    """
    labels = recipe.get("labels", {})
    guides = [name for key in GUIDES if labels.get(key) for name, _ in named_members(labels[key])]
    return bool(labels.get("votes")) or any(
        learns_from_votes(registry.get(name).recipe.changes()) for name in guides if registry.is_known(name)
    )

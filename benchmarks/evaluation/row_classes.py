"""Members that stand apart from the others: those that learnt from labels which are not the suite's own, known by their
recipes, and those whose files say that they come from a package or from an author's weights. They are kept out of the
ensembles of the others, so that the headline is of members that learnt from the same labels, and were chosen on val."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.store.predictions import Predictions
from benchmarks.suites.suite import ExtraLabels
from zoo import registry
from zoo.recipes import named_members


def split_row_classes(
    predictions: Sequence[Predictions], extra: ExtraLabels | None
) -> tuple[list[Predictions], list[Predictions]]:
    """Split members into those that ensembles are made of and those that stand apart.

    The provenance of members that learnt from the suite's extra labels then says so. Where all stand apart, ensembles
    are made of those with extra labels, else of those from elsewhere. Both lists keep their order.
    """
    everyone = [_with_extra_labels(member, extra) for member in predictions]
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


def _distance(member: Predictions) -> int:
    """Return 0 of members like the suite's own, 1 of those with extra labels, 2 of those from elsewhere."""
    if member.provenance.get("row_class"):
        return 2
    return 1 if member.provenance.get("extra_labels") else 0


def learns_from_votes(recipe: Mapping[str, Any]) -> bool:
    """Tell whether a recipe asks for votes, or for a teacher or a judge that does.

    The recipe is given as what differs from the defaults.

    Teachers and judges are taken as they are registered.
    """
    labels = recipe.get("labels", {})
    guides = [name for key in ("teacher", "judge") if labels.get(key) for name, _ in named_members(labels[key])]
    return bool(labels.get("votes")) or any(
        learns_from_votes(registry.get(name).recipe.changes()) for name in guides if registry.is_known(name)
    )

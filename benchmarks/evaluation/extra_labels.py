"""Members that learnt from labels which are not the suite's own: known by their recipes, and kept out of the ensembles
of the others, so that the headline is of members that learnt from the same labels as everyone's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.store.predictions import Predictions
from benchmarks.suites.suite import ExtraLabels
from zoo import registry
from zoo.recipes import named_members


def split_extra_labels(
    predictions: Sequence[Predictions], extra: ExtraLabels | None
) -> tuple[list[Predictions], list[Predictions]]:
    """Split members into those that ensembles are made of and those that learnt from the suite's extra labels.

    The provenance of the latter then says so. Where all did, ensembles are made of them. Both lists keep their order.
    """
    own: list[Predictions] = []
    excluded: list[Predictions] = []
    for member in predictions:
        if extra is None or not learns_from_votes(member.configuration.described()["recipe"] or {}):
            own.append(member)
        else:
            excluded.append(replace(member, provenance={**member.provenance, "extra_labels": extra.name}))
    return (own, excluded) if own else (excluded, own)


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

"""Which model is meant: a member, an ensembler or the headline; what it is made of, and what val says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import ensembles
from benchmarks.evaluation.models import member_labels
from benchmarks.publish.thresholds import cross_fitted
from benchmarks.results import BEST_SINGLE, Results
from benchmarks.results.schema import Ensemble, Member
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles import softmax
from ensembles.base import Ensembler
from zoo.errors import UnknownName
from zoo.variants import display_title


@dataclass(frozen=True, eq=False)
class StoredModels:
    """The models of a suite that have predictions: those that ensembles are made of, others, and the targets."""

    predictions: Sequence[Predictions]
    excluded: Sequence[Predictions]
    targets: Targets

    @cached_property
    def by_label(self) -> dict[str, Predictions]:
        """Models by the names that reports have for them; those that ensembles are made of first."""
        everyone = [*self.predictions, *self.excluded]
        return dict(zip(member_labels(everyone), everyone, strict=True))


@dataclass(frozen=True, eq=False)
class Chosen:
    """A model to be exported: the row of the board that is of it, and what it is made of.

    `label` is what reports call a member, and the name of an ensembler; `name` is that of its file. `models` are the
    members that `fitted` uses, by their labels; without an ensembler there is one. `val` are its probabilities
    [N, classes] of images of val that it was not fitted on.
    """

    row: Member | Ensemble
    kind: str  # member, ensemble
    label: str
    name: str
    title: str
    models: dict[str, Predictions]
    fitted: Ensembler | None
    val: np.ndarray


def choose(name: str | None, stored: StoredModels, results: Results) -> Chosen:
    """Choose a member by its label, an ensembler by its name, or without a name the headline.

    Ensemblers are fitted again, on the stored predictions. Raises UnknownName, NotExportable for an ensembler that no
    file can hold, and ValueError where results.json is not of what is stored.
    """
    name = name or results["headline"]
    if name is None:
        raise ValueError(f"{results['title']} has no headline: name a member")
    if name in stored.by_label:
        return _member(name, stored, results)
    if name in ensembles.names():
        return _ensemble(name, stored, results)
    raise UnknownName("model", name, [*stored.by_label, *ensembles.names()])


def _member(label: str, stored: StoredModels, results: Results) -> Chosen:
    model = stored.by_label[label]
    row = next((row for row in results["members"] if row["label"] == label), None)
    if row is None or row["hash"] != model.configuration.hash:
        raise ValueError(_rebuild(label, results))
    configuration = model.configuration
    name = configuration.name if not configuration.seed else f"{configuration.name}.s{configuration.seed}"
    title = display_title(configuration.name, configuration.seed or None)
    return Chosen(row, "member", label, name, title, {label: model}, None, softmax(model.val))


def _ensemble(name: str, stored: StoredModels, results: Results) -> Chosen:
    from benchmarks.publish.combination import check_exportable  # torch

    check_exportable(name)
    row = next((row for row in results["ensembles"] if row["name"] == name), None)
    val = np.stack([model.val for model in stored.predictions])
    fitted = ensembles.create(name).fit(val, stored.targets.val)
    labels = [list(stored.by_label)[index] for index in fitted.members_used_]
    if row is None or row["members_used"] != labels:
        raise ValueError(_rebuild(name, results))
    if name == BEST_SINGLE:  # a member by another name, and nothing to be kept beside it
        return _member(labels[0], stored, results)
    held_out = cross_fitted(fitted, val, stored.targets.val)
    count = f"{len(labels)} members" if len(labels) > 1 else "1 member"
    models = {label: stored.by_label[label] for label in labels}
    return Chosen(row, "ensemble", name, name, f"{fitted.title}, {count}", models, fitted, held_out)


def _rebuild(name: str, results: Results) -> str:
    return (
        f"results.json of {results['suite']} is not of the stored predictions of {name}: write it anew with "
        f"python benchmark.py --suite {results['suite']}"
    )

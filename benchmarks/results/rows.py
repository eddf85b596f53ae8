"""One flat row for everything that has an accuracy: members, ensembles and published results.

The leaderboard, its CSV and the figures are drawn from these rows, so they cannot disagree. All functions are pure
functions of one results dict (`results/<suite>/results.json`); accuracies are fractions, missing values None.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.formats import labels
from benchmarks.results.names import BEST_SINGLE, EXTRA_LABELS, KINDS, TOP_K, UNIFORM

Results = Mapping[str, Any]

TRAINED_ALIKE = ("name", "seed", "recipe", "image_size", "init")  # of a member, whatever the suite
TEST_SCORES = ("macro_f1", "balanced_accuracy", "kappa", "auroc", "auprc", "log_loss", "brier", "ece")

SCORED = (  # what members and ensembles have under the same name in the results and in a Standing
    "rank letters p_best_single p_best_single_holm p_uniform p_uniform_holm params flops ms_per_image pareto"
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A row of the leaderboard. The order of the fields is the order of the columns of leaderboard.csv."""

    kind: str
    name: str
    title: str
    seed: int | None = None
    year: int | None = None
    split: str | None = None
    accuracy: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    rank: str | None = None
    letters: str | None = None
    val_accuracy: float | None = None
    fit_accuracy: float | None = None
    cross_fit_accuracy: float | None = None
    macro_f1: float | None = None
    balanced_accuracy: float | None = None
    kappa: float | None = None
    auroc: float | None = None
    auprc: float | None = None
    log_loss: float | None = None
    brier: float | None = None
    ece: float | None = None
    p_best_single: float | None = None
    p_best_single_holm: float | None = None
    p_uniform: float | None = None
    p_uniform_holm: float | None = None
    models: int | None = None
    params: int | None = None
    flops: int | None = None
    ms_per_image: float | None = None
    pareto: bool | None = None
    epochs: int | None = None
    train_seconds: float | None = None
    images_per_second: float | None = None
    device: str | None = None
    init: str | None = None
    tta: str | None = None
    selection: str | None = None
    extra_data: str | None = None
    seen: str | None = None
    comparable: bool = True
    why_not: str | None = None
    doubt: str | None = None
    doubt_source: str | None = None
    reference: str | None = None
    hash: str | None = None
    error: str | None = None
    chart: bool = field(default=True, repr=False)
    extra_labels: str | None = field(
        default=None, repr=False
    )  # learnt from, beside the suite's own; part of extra_data

    @property
    def category(self) -> str:
        """The kind, of which rows with extra labels are one of their own."""
        return f"{self.kind}, extra labels" if self.extra_labels else self.kind

    @property
    def seen_accuracy(self) -> float | None:
        """Accuracy on val as the row's own choices saw it: a member's epoch, an ensemble's weights."""
        return self.fit_accuracy if self.kind == "ensemble" else self.val_accuracy

    @property
    def gap(self) -> float | None:
        """How far the accuracy on val was too rosy: seen minus test."""
        if self.seen_accuracy is None or self.accuracy is None:
            return None
        return self.seen_accuracy - self.accuracy


def standings(results: Results) -> list[Standing]:
    """All rows, best test accuracy first; rows without one last; ties by kind, then in the order of the results."""
    rows = [*ensemble_rows(results), *member_rows(results), *published_rows(results)]
    return by_accuracy(rows)


def by_accuracy(rows: Sequence[Standing]) -> list[Standing]:
    """Rows sorted by test accuracy, best first, those without one last; ties by kind, then as they came."""
    return sorted(rows, key=lambda row: (row.accuracy is None, -(row.accuracy or 0.0), KINDS.index(row.kind)))


def member_rows(results: Results) -> list[Standing]:
    """One row a member and seed, or an external model; the seed is part of the title where it tells rows apart."""
    members = results["members"]
    titles = labels((member["name"], member["seed"]) for member in members)
    return [_member_row(member, results, title) for member, title in zip(members, titles, strict=True)]


def _member_row(member: Mapping[str, Any], results: Results, title: str) -> Standing:
    low, high = member.get("test_interval") or (None, None)
    return Standing(
        kind=member.get("kind") or "member",
        name=member["name"],
        title=_marked(title, member),
        split=results["splits"]["test"]["name"],
        accuracy=member.get("test_accuracy"),
        ci_low=low,
        ci_high=high,
        models=1,
        extra_data=_extra_data(member),
        **_same(member, "seed val_accuracy epochs train_seconds images_per_second device init tta reference hash"),
        extra_labels=member.get("extra_labels"),
        **_same(member, SCORED),
        **_test_scores(member),
    )


def ensemble_rows(results: Results) -> list[Standing]:
    """One row an ensembler, also where it failed: then `error` says why and the scores are None."""
    return [_ensemble_row(ensemble, results) for ensemble in results["ensembles"]]


def _ensemble_row(ensemble: Mapping[str, Any], results: Results) -> Standing:
    low, high = ensemble.get("test_interval") or (None, None)
    used = ensemble.get("members_used")
    return Standing(
        kind="ensemble",
        name=ensemble["name"],
        title=_marked(ensemble.get("title") or ensemble["name"], ensemble),
        split=results["splits"]["test"]["name"],
        accuracy=ensemble.get("test_accuracy"),
        ci_low=low,
        ci_high=high,
        models=round(ensemble.get("models", len(used))) if used else None,
        extra_data=_extra_data(ensemble),
        extra_labels=ensemble.get("extra_labels"),
        **_same(ensemble, "fit_accuracy cross_fit_accuracy train_seconds reference error"),
        **_same(ensemble, SCORED),
        **_test_scores(ensemble),
    )


def published_rows(results: Results) -> list[Standing]:
    """One row a published result, comparable or not."""
    return [
        Standing(
            kind="published",
            name=row["method"],
            title=f"{row['method']}, {row['year']}",
            models=row.get("n_models"),
            init=row.get("pretraining"),
            reference=row.get("source"),
            chart=bool(row.get("chart")),
            why_not=row.get("why_not") or None,
            doubt=row.get("doubt") or None,
            doubt_source=row.get("doubt_source") or None,
            **_same(row, "year split accuracy tta selection extra_data seen comparable"),
        )
        for row in results["published"]
    ]


def _marked(title: str, source: Mapping[str, Any]) -> str:
    return f"{title} {EXTRA_LABELS}" if source.get("extra_labels") else title


def _extra_data(source: Mapping[str, Any]) -> str:
    """Data and labels that are not the suite's own."""
    data, labels = source.get("extra_data"), source.get("extra_labels")
    known = [data] if data and data != "none" else []
    return "; ".join([*known, labels] if labels else known) or "none"


def _same(source: Mapping[str, Any], fields: str) -> dict[str, Any]:
    """The entries that bear the same name in the results and in a Standing."""
    return {name: source.get(name) for name in fields.split()}


def _test_scores(source: Mapping[str, Any]) -> dict[str, Any]:
    return {name: source.get(f"test_{name}") for name in TEST_SCORES}


def leading_ensembles(results: Results, limit: int) -> list[Standing]:
    """At most `limit` ensembles by cross-fitted accuracy, the headline and the floors always first to be among them."""
    rows = [row for row in ensemble_rows(results) if row.accuracy is not None]
    always = [results.get("headline"), UNIFORM, BEST_SINGLE, TOP_K]

    def place(row: Standing) -> tuple[int, float]:
        known = always.index(row.name) if row.name in always else len(always)
        return known, -(row.cross_fit_accuracy or row.fit_accuracy or 0.0)

    return by_accuracy(sorted(rows, key=place)[:limit])


def leading_published(results: Results, limit: int | None = None) -> list[Standing]:
    """The comparable published results that figures draw: the best of each source, at most `limit` of them."""
    shown = [row for row in by_accuracy(published_rows(results)) if row.comparable and row.chart]
    best = {row.reference: row for row in reversed(shown)}
    return by_accuracy(list(best.values()))[:limit]


def short_list(results: Results, ensembles: int, members: int, published: int) -> list[Standing]:
    """What stands for the whole where room is short, best first: headline, floors and the ensembles next to them by
    cross-fitted accuracy, the members that are best on test, and the best comparable published results."""
    models = [row for row in by_accuracy(member_rows(results)) if row.accuracy is not None]
    return by_accuracy(
        [*leading_ensembles(results, ensembles), *models[:members], *leading_published(results, published)]
    )


def headline_row(results: Results) -> Standing | None:
    """The ensemble chosen on val; None where none was chosen or it has no test accuracy."""
    rows = ensemble_rows(results)
    return next((row for row in rows if row.name == results.get("headline") and row.accuracy is not None), None)


def best_single(results: Results) -> Standing | None:
    """The member with the best val accuracy: the one that a user without test labels would have taken. One with extra
    labels only where all have them."""
    rows = [row for row in member_rows(results) if row.accuracy is not None]
    rows = [row for row in rows if not row.extra_labels] or rows
    return max(rows, key=lambda row: row.val_accuracy or 0.0, default=None)


def extra_labels(rows: Iterable[Standing]) -> list[str]:
    """What any of the rows learnt from beside the suite's own labels, by name."""
    return sorted({row.extra_labels for row in rows if row.extra_labels})


def looks_leaked(row: Standing, results: Results) -> bool:
    """Whether the accuracy is above what anyone reached on this suite without a leak or selection on the test split."""
    limit = results["leak_above"]
    return limit is not None and row.accuracy is not None and row.accuracy > limit


def below_uniform(row: Standing, results: Results) -> bool:
    """Whether an ensemble loses to the average of all members on test."""
    floor = next((other.accuracy for other in ensemble_rows(results) if other.name == UNIFORM), None)
    return row.kind == "ensemble" and None not in (row.accuracy, floor) and (row.accuracy or 0) < (floor or 0)


def trained_alike(member: Mapping[str, Any]) -> str:
    """What two rows of different suites share where they are of one member, trained in the same way."""
    return json.dumps([member.get(key) for key in TRAINED_ALIKE], sort_keys=True)

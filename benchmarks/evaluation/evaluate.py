"""The results of a suite: everything that was searched on val, scored once on test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.ablations import ablations
from benchmarks.evaluation.affect import affect_part
from benchmarks.evaluation.audit import audit
from benchmarks.evaluation.budgets import NO_LIMITS, OFFERED, STALE_BUDGETS, budgets_of, offered, within_limits
from benchmarks.evaluation.cost import effort
from benchmarks.evaluation.cross_validated import cross_validated
from benchmarks.evaluation.diversity import diversity
from benchmarks.evaluation.figure_data import charts_data, confusions
from benchmarks.evaluation.folds import SearchedModels
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.probabilities import measure_rows, probabilities, references
from benchmarks.evaluation.protocols import contrast
from benchmarks.evaluation.quantised import quantised
from benchmarks.evaluation.recalibration import fitted_temperatures
from benchmarks.evaluation.rivals import summary
from benchmarks.evaluation.score import failures, score
from benchmarks.evaluation.significance import forget_draws
from benchmarks.evaluation.tta import stored_views, views_worth
from benchmarks.files import DamagedFile, read_csv, rounded
from benchmarks.results import FORMAT, Results
from benchmarks.results.analyses import Budget, Views
from benchmarks.results.probabilities import ProbabilityRow
from benchmarks.results.row_classes import COSTLY
from benchmarks.results.schema import Member, MemberFacts, NotRun, Split, Splits
from benchmarks.store.container import StoreError
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from benchmarks.store.votes import kept_votes
from benchmarks.suites.published_results import read_published, read_published_affect
from benchmarks.suites.suite import Suite
from ensembles.search import choose

Measured = Callable[[], list[ProbabilityRow]]
"""Waits for what rows are worth, as another process may still be measuring."""


def measured_here(
    rows: Sequence[ScoredModel], members: int, targets: Targets, temperatures: Sequence[float]
) -> Measured:
    """Return what measures rows when it is asked."""
    return partial(measure_rows, rows, references(rows, members, targets), targets, temperatures)


def evaluate(
    suite: Suite,
    searched: SearchedModels,
    results: Path,
    *,
    not_run: list[NotRun],
    notes: list[str],
    limits: Mapping[str, float] = NO_LIMITS,
    measure: Callable[[Sequence[ScoredModel], int, Targets, Sequence[float]], Measured] = measured_here,
) -> Results:
    """Score everything that was searched once on test, and return what results.json holds.

    `results` is the folder of all suites' results. `not_run` and `notes` are reported as they are, with more notes
    where files cannot be used. `limits` are those of `within_limits`, which says when ValueError is raised. `measure`
    begins to measure the rows, of which the first so many make the ensembles, at temperatures that were fitted on val.
    """
    targets, predictions, rows = searched.targets, searched.predictions, searched.rows
    search_results = searched.search_results
    fitted = [result for result in search_results if result.error is None]
    temperatures = fitted_temperatures(rows, targets.val)
    worth = measure(rows, len(predictions), targets, temperatures)
    audited = audit(rows, predictions, targets, temperatures)
    members, ensembles = score(rows, predictions, search_results, targets, searched.excluded)
    affordable = within_limits(ensembles, limits)
    chosen = choose([result for result in fitted if result.name in affordable]) if fitted else None
    headline = chosen.name if chosen else None
    views, unused = _views(results / suite.name, searched)
    budgets, unusable = _budgets(results / suite.name, offered(_within_any_budget(searched, members), targets))
    diverse = diversity(predictions, targets)
    ablated = ablations([*predictions, *searched.excluded], targets)
    charts, tables = (
        charts_data(rows, predictions, targets, audited, headline),
        confusions(rows, targets.test, headline),
    )
    evaluated: Results = {
        "format": FORMAT,
        "suite": suite.name,
        "title": suite.title,
        "classes": list(targets.classes),
        "splits": _splits(suite, targets),
        "data_fingerprint": targets.fingerprint,
        "headline": headline,
        "leak_above": suite.leak_above,
        "human_accuracy": None if suite.human_accuracy is None else list(suite.human_accuracy),
        "rehearsal": suite.rehearsal,
        "metrics": metrics.columns(),
        "effort": effort(members),
        "members": members,
        "ensembles": ensembles,
        "failed": failures(search_results),
        "diversity": diverse,
        "ablations": ablated,
        "views": views,
        "audit": audited,
        "probabilities": probabilities(rows, len(predictions), targets, headline, worth()),
        "charts": charts,
        "confusions": tables,
        "published": read_published(suite.published) if suite.published else [],
        "not_run": not_run,
        "notes": [*notes, *unused, *unusable],
    }
    if budgets:
        evaluated["budgets"] = budgets
    if limits:
        evaluated["limits"] = dict(limits)
    _add_optional_parts(evaluated, suite, searched, results)
    forget_draws()
    return cast(Results, rounded(evaluated))


def _views(folder: Path, searched: SearchedModels) -> tuple[list[Views], list[str]]:
    """Return what views of an image are worth, by the table in a suite's folder, and a note where that is damaged, or
    has members that are not here as they were."""
    # Of several folds, the table is of the first one's networks.
    models = [*searched.predictions, *searched.excluded] if searched.test_folds is None else None
    try:
        rows, notes = stored_views(folder, models, searched.targets)
    except DamagedFile as error:
        return [], [str(error)]
    return views_worth(rows), notes


def _within_any_budget(searched: SearchedModels, members: Sequence[Member]) -> list[tuple[Predictions, MemberFacts]]:
    """Return the members that a budget may choose among: those of the ensembles, and those over today's limit."""
    costly = [model.provenance.get("row_class") == COSTLY.name for model in searched.excluded]
    chosen = [*(True for _ in searched.predictions), *costly]
    everyone = zip([*searched.predictions, *searched.excluded], members, chosen, strict=True)
    return [(model, facts) for model, facts, is_chosen in everyone if is_chosen]


def _budgets(folder: Path, offer: str) -> tuple[list[Budget], list[str]]:
    """Return what was chosen for budgets, by the table in a suite's folder, and a note where that is damaged, or was
    chosen of another offer than today's, as `offered` says."""
    try:
        table = read_csv(folder / "budgets.csv", ("unit", "members"), ("budget", "cost", "val, cross-fitted", "test"))
    except DamagedFile as error:
        return [], [str(error)]
    try:
        rows = budgets_of(table)
    except (KeyError, ValueError) as error:
        return [], [
            f"budgets.csv: holds what is none of its own ({error}); written anew by: python benchmark.py budget"
        ]
    if all(row.get(OFFERED) == offer for row in table):
        return rows, []
    return [], [f"budgets.csv: {STALE_BUDGETS}"]


def _add_optional_parts(evaluated: Results, suite: Suite, searched: SearchedModels, results: Path) -> None:
    """Add what not every suite has: ratings, a summary page, a released model, folds or groups, another protocol."""
    targets, predictions = searched.targets, searched.predictions
    if suite.own:
        evaluated["selection"] = suite.selection
    affect = affect_part(predictions, targets, read_published_affect(suite.published))
    if affect is not None:
        evaluated["affect"] = affect
    if suite.summary_page:
        try:
            votes = kept_votes(results / suite.name / "predictions", targets)
        except StoreError as error:
            votes = None
            evaluated["notes"].append(str(error))
        audited, headline = evaluated["audit"], evaluated["headline"]
        test_votes = None if votes is None else votes["test"]
        evaluated["summary"] = summary(searched.rows, len(predictions), targets, audited, headline, test_votes)
    try:
        released = quantised(results / suite.name, evaluated["members"])
    except DamagedFile as error:
        released = None
        evaluated["notes"].append(str(error))
    if released is not None:
        evaluated["quantised"] = released
    folds, groups = max(1, len(suite.folds)), targets.test_groups
    if folds > 1 or groups is not None:
        units = None if groups is None else len(np.unique(groups))
        evaluated["protocol"] = {"folds": folds, "unit": suite.unit, "units": units}
    scored = cross_validated(searched.rows, targets, searched.test_folds)
    if scored is not None:
        evaluated["cross_validated"] = scored
    if suite.contrast is not None:
        evaluated["contrast"] = contrast(suite.contrast, results)


def _splits(suite: Suite, targets: Targets) -> Splits:
    train, val, test = suite.split_names
    return {
        "train": Split(name=train, size=targets.train_size),
        "val": Split(name=val, size=len(targets.val)),
        "test": Split(name=test, size=len(targets.test)),
    }

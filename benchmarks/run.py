"""The pipeline, top to bottom: obtain predictions, search ensembles on val, score once on test, report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from benchmarks import csv_files as csv_rows
from benchmarks.commands import tta as views
from benchmarks.commands.ferplus_votes import kept_votes
from benchmarks.evaluation.ablations import ablations
from benchmarks.evaluation.affect import affect_part
from benchmarks.evaluation.audit import audit
from benchmarks.evaluation.diversity import diversity
from benchmarks.evaluation.extra_labels import split_extra_labels
from benchmarks.evaluation.figure_data import charts_data
from benchmarks.evaluation.folds import SearchedModels, pool
from benchmarks.evaluation.models import member_labels, scored_models
from benchmarks.evaluation.protocols import contrast
from benchmarks.evaluation.rivals import story_data
from benchmarks.evaluation.score import score
from benchmarks.execution.executor import Outcomes, one_after_the_other
from benchmarks.execution.parallel import side_by_side, workers
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.stopping import stop_signal
from benchmarks.execution.tasks import Task, complete_members, external_members, not_run, schedule
from benchmarks.execution.train import resolve_device
from benchmarks.external.cross_dataset import remarks, transfer
from benchmarks.files import write_atomic
from benchmarks.report import leaderboard, page, readme
from benchmarks.report.classification import confusions
from benchmarks.session import Options, Session
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from benchmarks.suites.published_affect import read_published_affect
from benchmarks.suites.published_results import read_published
from ensembles.search import choose, search


class NothingToScore(ValueError):
    """No member has predictions; the message says what to do."""


def run(options: Options, display: NullProgress) -> dict[str, Any]:
    """The whole run; returns the results that were written to `results/<suite>/results.json` and reported.

    Raises DataError, UnknownName, ValueError for bad input, NothingToScore, and Interrupted.
    """
    if options.source:
        here = Session(replace(options, members=(), source=""))
        transfer(here, options.source, options.members, resolve_device(options.device))
    session = Session(options)
    rows, unusable = schedule(session)
    external, damaged = external_members(session)
    unusable += damaged
    facts = [*session.targets.notes, *remarks(chain.from_iterable(external))]
    for note in [*facts, *(f"not used: {reason}" for reason in unusable)]:
        display.note(note)
    tasks = list(chain.from_iterable(rows))
    if any(task.step.train or task.step.stored for task in tasks):
        session.keep_targets()
    found, failed = _obtain_all(session, tasks, display)
    missing = not_run(rows, found, failed)
    own = complete_members(rows, found, session.folds)
    predictions = [members + its for members, its in zip(own, external, strict=True)]
    if not predictions[0]:
        reasons = "".join(f"\n  {item['name']}: {item['reason']}" for item in missing)
        advice = "" if options.train in ("missing", "always") else "\nTry --train missing."
        raise NothingToScore(f"No member of {session.suite.name} has predictions to score.{reasons}{advice}")
    members, kinds = len(split_extra_labels(predictions[0], session.suite.extra_labels)[0]), len(session.ensemblers)
    display.note(f"searching {kinds} kinds of ensembles of {members} members on {session.suite.split_names[1]}")
    searched = [search_part(part, its) for part, its in zip(session.parts, predictions, strict=True)]
    results = evaluate(session, pool(searched), missing, [*facts, *unusable])
    report(session, results)
    return results


def _obtain_all(session: Session, tasks: Sequence[Task], display: NullProgress) -> Outcomes:
    stored = {task.stem: task.step.stored for task in tasks if task.step.stored is not None}
    missing = [task for task in tasks if task.step.train]
    display.members(len(missing))
    if not missing:
        return stored, {}
    options = session.options
    count = workers(options.side_by_side, resolve_device(options.device), len(missing))
    deadline = None if options.time_budget is None else time.monotonic() + options.time_budget
    with stop_signal(deadline) as stop:
        if count == 1:
            found, failed = one_after_the_other(session, missing, stop, display)
        else:
            found, failed = side_by_side(session, missing, count, stop, display)
    return stored | found, failed


def search_part(session: Session, everyone: list[Predictions]) -> SearchedModels:
    """Search ensembles on val alone, and collect what they and all models, also those excluded from them, predict."""
    predictions, excluded = split_extra_labels(everyone, session.suite.extra_labels)
    targets, val = session.targets, np.stack([one.val for one in predictions])
    labels = member_labels(predictions)
    found = search(val, targets.val, session.ensemblers, n_jobs=session.jobs(val.size), labels=labels)
    return SearchedModels(targets, predictions, found, scored_models(predictions, found, excluded), excluded)


def evaluate(
    session: Session, searched: SearchedModels, not_run: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    """The results: everything that was searched, scored once on test."""
    suite, targets, predictions = session.suite, searched.targets, searched.predictions
    found, rows = searched.found, searched.rows
    fitted = [one for one in found if one.error is None]
    train_name, val_name, test_name = suite.split_names
    sizes = (targets.train_size, len(targets.val), len(targets.test))
    names = zip(("train", "val", "test"), (train_name, val_name, test_name), sizes, strict=True)
    audited, headline = audit(rows, predictions, targets), choose(fitted).name if fitted else None
    results = {
        "suite": suite.name,
        "title": suite.title,
        "classes": list(targets.classes),
        "splits": {split: {"name": name, "size": size} for split, name, size in names},
        "data_fingerprint": targets.fingerprint,
        "headline": headline,
        **score(rows, predictions, found, targets, searched.excluded),
        **affect_part(predictions, targets, read_published_affect(suite.published)),
        "diversity": diversity(predictions, targets),
        "ablations": ablations([*predictions, *searched.excluded], targets),
        "views": views.means(csv_rows.read(session.folder / "tta.csv")),
        "audit": audited,
        "charts": charts_data(rows, predictions, targets, audited, headline),
        "confusions": confusions(rows, targets.test, headline),
        **_story(session, searched, audited, headline),
        **_protocol(session, targets),
        "published": read_published(suite.published) if suite.published else [],
        "not_run": not_run,
        "notes": notes,
    }
    return _rounded(results)


def _story(session: Session, searched: SearchedModels, audited: dict[str, Any], headline: str | None) -> dict[str, Any]:
    """What the page that tells this suite's story needs, where the suite has one."""
    if not session.suite.story:
        return {}
    votes = kept_votes(session.store.folder, searched.targets)
    test = None if votes is None else votes["test"]
    members = len(searched.predictions)
    return {"story": story_data(searched.rows, members, searched.targets, audited, headline, test)}


def _protocol(session: Session, targets: Targets) -> dict[str, Any]:
    """What is out of the ordinary: folds, intervals over groups of images, another protocol for the same images."""
    suite, groups = session.suite, targets.test_groups
    facts: dict[str, Any] = {}
    if session.folds > 1 or groups is not None:
        count = None if groups is None else len(np.unique(groups))
        facts["protocol"] = {"folds": session.folds, "unit": suite.unit, "units": count}
    if suite.contrast is not None:
        facts["contrast"] = contrast(suite.contrast, session.options.results)
    return facts


def _rounded(value: Any) -> Any:
    """Floats to six decimals: what lies below differs from processor to processor."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value


def report(session: Session, results: dict[str, Any]) -> None:
    """Writes results.json, leaderboard, figures and pages, and the README's table where the run is the default one."""
    write_atomic(session.folder / "results.json", json.dumps(results, indent=1) + "\n")
    predictions = len(results["members"]) * len(session.targets.val) * len(results["classes"])
    leaderboard.write(results, session.folder, session.jobs(predictions))
    page.write(results, session.folder)
    page.write_index(session.options.results)
    if session.readme:
        readme.embed(session.readme, results)

"""The pipeline, top to bottom: obtain predictions, search ensembles on val, score once on test, report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.evaluation.evaluate import evaluate
from benchmarks.evaluation.extra_labels import split_extra_labels
from benchmarks.evaluation.folds import SearchedModels, pool
from benchmarks.evaluation.models import member_labels, scored_models
from benchmarks.execution.executor import Outcomes, train_serially
from benchmarks.execution.parallel import train_in_parallel, workers
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.stopping import stop_signal
from benchmarks.execution.tasks import Task, complete_members, external_members, not_run, schedule
from benchmarks.external.cross_dataset import transfer
from benchmarks.files import write_atomic
from benchmarks.fold import Fold
from benchmarks.report import leaderboard, page, readme
from benchmarks.session import Options, Session
from benchmarks.store.external_members import remarks
from benchmarks.store.predictions import Predictions
from ensembles.search import search


class NothingToScore(ValueError):
    """No member has predictions; the message says what to do."""


def run(options: Options, display: NullProgress) -> dict[str, Any]:
    """The whole run; returns the results that were written to `results/<suite>/results.json` and reported.

    Raises DataError, UnknownName, ValueError for bad input, NothingToScore, and Interrupted.
    """
    if options.source:
        here = Session(replace(options, members=(), source=""))
        transfer(here, options.source, options.members, here.device)
    session = Session(options)
    rows, unusable = schedule(session)
    external, damaged = external_members(session)
    unusable += damaged
    facts = [*session.folds[0].targets.notes, *remarks(chain.from_iterable(external))]
    for note in [*facts, *(f"not used: {reason}" for reason in unusable)]:
        display.note(note)
    tasks = list(chain.from_iterable(rows))
    if any(task.step.train or task.step.stored for task in tasks):
        session.keep_targets()
    done, failed = _obtain_all(session, tasks, display)
    missing = not_run(session, rows, done, failed)
    own = complete_members(rows, done, len(session.folds))
    predictions = [members + its for members, its in zip(own, external, strict=True)]
    if not predictions[0]:
        reasons = "".join(f"\n  {item['name']}: {item['reason']}" for item in missing)
        advice = "" if options.train in ("missing", "always") else "\nTry --train missing."
        raise NothingToScore(f"No member of {session.suite.name} has predictions to score.{reasons}{advice}")
    members, kinds = len(split_extra_labels(predictions[0], session.suite.extra_labels)[0]), len(session.ensemblers)
    display.note(f"searching {kinds} kinds of ensembles of {members} members on {session.suite.split_names[1]}")
    searched = [search_fold(session, fold, its) for fold, its in zip(session.folds, predictions, strict=True)]
    notes = [*facts, *unusable]
    results = evaluate(session.suite, pool(searched), options.results, not_run=missing, notes=notes)
    report(session, results)
    return results


def _obtain_all(session: Session, tasks: Sequence[Task], display: NullProgress) -> Outcomes:
    stored = {task.stem: task.step.stored for task in tasks if task.step.stored is not None}
    missing = [task for task in tasks if task.step.train]
    display.members(len(missing))
    if not missing:
        return stored, {}
    options = session.options
    count = workers(options.side_by_side, session.device, len(missing))
    deadline = None if options.time_budget is None else time.monotonic() + options.time_budget
    with stop_signal(deadline) as stop:
        if count == 1:
            done, failed = train_serially(session, missing, stop, display)
        else:
            done, failed = train_in_parallel(session, missing, count, stop, display)
    return stored | done, failed


def search_fold(session: Session, fold: Fold, everyone: list[Predictions]) -> SearchedModels:
    """Search ensembles on val alone, and collect what they and all models, also those excluded from them, predict."""
    predictions, excluded = split_extra_labels(everyone, session.suite.extra_labels)
    targets, val = fold.targets, np.stack([member.val for member in predictions])
    labels = member_labels(predictions)
    ensembles = search(val, targets.val, session.ensemblers, n_jobs=session.jobs(val.size), labels=labels)
    return SearchedModels(targets, predictions, ensembles, scored_models(predictions, ensembles, excluded), excluded)


def report(session: Session, results: dict[str, Any]) -> None:
    """Writes results.json, leaderboard, figures and pages, and the README's table where the run is the default one."""
    write_atomic(session.folder / "results.json", json.dumps(results, indent=1) + "\n")
    predictions = len(results["members"]) * len(session.folds[0].targets.val) * len(results["classes"])
    leaderboard.write(results, session.folder, session.jobs(predictions))
    page.write(results, session.folder)
    page.write_index(session.options.results)
    if session.readme:
        readme.embed(session.readme, results)

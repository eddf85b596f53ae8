"""The pipeline, top to bottom: obtain predictions, search ensembles on val, score once on test, report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from benchmarks import csv_rows, leaderboard, page, readme, views
from benchmarks.ablations import ablations
from benchmarks.affect_score import affect_part
from benchmarks.agreement import kept_votes
from benchmarks.atomic import write_atomic
from benchmarks.audit import audit
from benchmarks.charts_data import charts_data
from benchmarks.classification_report import confusions
from benchmarks.contrast import contrast
from benchmarks.display import Quiet
from benchmarks.execute import Outcomes, one_after_the_other
from benchmarks.explanation import diversity
from benchmarks.extra_labels import divided
from benchmarks.obtain import resolve_device
from benchmarks.pooling import Searched, pool
from benchmarks.predictions import Predictions
from benchmarks.published import read_published
from benchmarks.published_affect import read_published_affect
from benchmarks.rows import member_labels, predict_rows
from benchmarks.schedule import Task, guests, not_run, schedule, whole
from benchmarks.score import score
from benchmarks.session import Options, Session
from benchmarks.side_by_side import side_by_side, workers
from benchmarks.stopping import stop_signal
from benchmarks.story_data import story_data
from benchmarks.targets import Targets
from benchmarks.transferred import remarks, transfer
from ensembles.search import choose, search


class NothingToScore(ValueError):
    """No member has predictions; the message says what to do."""


def run(options: Options, display: Quiet) -> dict[str, Any]:
    """The whole run; returns the results that were written to `results/<suite>/results.json` and reported.

    Raises DataError, UnknownName, ValueError for bad input, NothingToScore, and Interrupted.
    """
    if options.source:
        here = Session(replace(options, members=(), source=""))
        transfer(here, options.source, options.members, resolve_device(options.device))
    session = Session(options)
    rows, unusable = schedule(session)
    visitors, damaged = guests(session)
    unusable += damaged
    facts = [*session.targets.notes, *remarks(chain.from_iterable(visitors))]
    for note in [*facts, *(f"not used: {reason}" for reason in unusable)]:
        display.note(note)
    tasks = list(chain.from_iterable(rows))
    if any(task.step.train or task.step.stored for task in tasks):
        session.keep_targets()
    found, failed = _obtain_all(session, tasks, display)
    missing = not_run(rows, found, failed)
    own = whole(rows, found, session.folds)
    predictions = [members + its for members, its in zip(own, visitors, strict=True)]
    if not predictions[0]:
        reasons = "".join(f"\n  {item['name']}: {item['reason']}" for item in missing)
        advice = "" if options.train in ("missing", "always") else "\nTry --train missing."
        raise NothingToScore(f"No member of {session.suite.name} has predictions to score.{reasons}{advice}")
    members, kinds = len(divided(predictions[0], session.suite.extra_labels)[0]), len(session.ensemblers)
    display.note(f"searching {kinds} kinds of ensembles of {members} members on {session.suite.split_names[1]}")
    searched = [search_part(part, its) for part, its in zip(session.parts, predictions, strict=True)]
    results = evaluate(session, pool(searched), missing, [*facts, *unusable])
    report(session, results)
    return results


def _obtain_all(session: Session, tasks: Sequence[Task], display: Quiet) -> Outcomes:
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


def search_part(session: Session, everyone: list[Predictions]) -> Searched:
    """Ensembles searched on val alone, and what they and all models, also those apart from them, predict."""
    predictions, apart = divided(everyone, session.suite.extra_labels)
    targets, val = session.targets, np.stack([one.val for one in predictions])
    labels = member_labels(predictions)
    found = search(val, targets.val, session.ensemblers, n_jobs=session.jobs(val.size), labels=labels)
    return Searched(targets, predictions, found, predict_rows(predictions, found, apart), apart)


def evaluate(session: Session, searched: Searched, not_run: list[dict[str, Any]], notes: list[str]) -> dict[str, Any]:
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
        **score(rows, predictions, found, targets, searched.apart),
        **affect_part(predictions, targets, read_published_affect(suite.published)),
        "diversity": diversity(predictions, targets),
        "ablations": ablations([*predictions, *searched.apart], targets),
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


def _story(session: Session, searched: Searched, audited: dict[str, Any], headline: str | None) -> dict[str, Any]:
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

"""The pipeline, top to bottom: obtain predictions, search ensembles on val, score once on test, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import leaderboard, page, readme
from benchmarks.affect_score import affect_part
from benchmarks.atomic import write_atomic
from benchmarks.audit import audit
from benchmarks.charts_data import charts_data
from benchmarks.display import Quiet
from benchmarks.explanation import diversity
from benchmarks.obtain import obtain, outcome, resolve_device
from benchmarks.plan import Step
from benchmarks.predictions import Predictions
from benchmarks.published import read_published
from benchmarks.published_affect import read_published_affect
from benchmarks.rows import member_labels, predict_rows
from benchmarks.score import score
from benchmarks.session import Options, Session
from benchmarks.stopping import BUDGET_SPENT, INTERRUPT, Interrupted, stop_signal
from benchmarks.tables import labels
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
    steps, unusable = session.steps()
    guests, damaged = session.guests()
    unusable += damaged
    facts = [*session.targets.notes, *remarks(guests)]
    for note in [*facts, *(f"not used: {reason}" for reason in unusable)]:
        display.note(note)
    if any(step.train or step.stored for step in steps):
        session.keep_targets()
    predictions, failed = _obtain_all(session, steps, display)
    predictions += guests
    not_run = [
        {
            "name": step.configuration.member.name,
            "seed": step.configuration.seed,
            "reason": failed.get(step.configuration.stem, step.reason),
            "command": session.command(step),
        }
        for step in steps
        if step.configuration.stem not in {found.configuration.stem for found in predictions}
    ]
    if not predictions:
        reasons = "".join(f"\n  {item['name']}: {item['reason']}" for item in not_run)
        advice = "" if options.train in ("missing", "always") else "\nTry --train missing."
        raise NothingToScore(f"No member of {session.suite.name} has predictions to score.{reasons}{advice}")
    members, kinds = len(predictions), len(session.ensemblers)
    display.note(f"searching {kinds} kinds of ensembles of {members} members on {session.suite.split_names[1]}")
    results = evaluate(session, predictions, not_run, [*facts, *unusable])
    report(session, results)
    return results


def _obtain_all(session: Session, steps: Sequence[Step], display: Quiet) -> tuple[list[Predictions], dict[str, str]]:
    """Predictions in the order of the steps, and for each member that failed or had to stop, why."""
    found: list[Predictions] = []
    failed: dict[str, str] = {}
    names = labels((step.configuration.name, step.configuration.seed) for step in steps)
    display.members(sum(step.train for step in steps))
    deadline = None if session.options.time_budget is None else time.monotonic() + session.options.time_budget
    with stop_signal(deadline) as stop:
        for step, label in zip(steps, names, strict=True):
            if step.stored is not None:
                found.append(step.stored)
            if not step.train:
                continue
            if stop() == BUDGET_SPENT:
                failed[step.configuration.stem] = f"not started: {BUDGET_SPENT}"
                continue
            display.start(label)
            try:
                predictions = _obtain_one(session, step, stop, display)
                found.append(predictions)
                display.done(label, outcome(predictions, session.targets.val))
            except Exception as error:  # one member must not cost the others their result
                failed[step.configuration.stem] = _reason(error)
                display.done(label, failed[step.configuration.stem])
            if stop() == INTERRUPT:
                raise Interrupted(f"Interrupted in {label}; its state is saved, the same command goes on from there.")
    return found, failed


def _obtain_one(session: Session, step: Step, stop: Callable[[], str | None], display: Quiet) -> Predictions:
    return obtain(
        step.configuration,
        session.dataset,
        session.store,
        session.folder / "checkpoints",
        device=resolve_device(session.options.device),
        retrain=session.options.train == "always",
        stop=stop,
        display=display,
    )


def _reason(error: Exception) -> str:
    from zoo.training import Stopped, TrainingDiverged

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Stopped):
        return f"{text}; its state is saved, and the command goes on from there"
    return text if isinstance(error, TrainingDiverged) else f"failed with {type(error).__name__}: {text}"


def evaluate(
    session: Session, predictions: Sequence[Predictions], not_run: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    """The results: ensembles searched on val alone, then everything scored once on test."""
    targets, suite = session.targets, session.suite
    val = np.stack([one.val for one in predictions])
    labels = member_labels(predictions)
    found = search(val, targets.val, session.ensemblers, n_jobs=session.jobs(val.size), labels=labels)
    rows = predict_rows(predictions, found)
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
        **score(rows, predictions, found, targets),
        **affect_part(predictions, targets, read_published_affect(suite.published)),
        "diversity": diversity(predictions, targets),
        "audit": audited,
        "charts": charts_data(rows, predictions, targets, audited, headline),
        "published": read_published(suite.published) if suite.published else [],
        "not_run": not_run,
        "notes": notes,
    }
    return _rounded(results)


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
    leaderboard.write(results, session.folder)
    page.write(results, session.folder)
    page.write_index(session.options.results)
    if session.readme:
        readme.embed(session.readme, results)

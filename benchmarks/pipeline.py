"""The pipeline, top to bottom: session, tasks, train, search on val, evaluate once on test, report."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.evaluation.budgets import mark_costly
from benchmarks.evaluation.evaluate import evaluate
from benchmarks.evaluation.folds import SearchedModels, pool
from benchmarks.evaluation.models import STACKED_BYTES, member_labels, scored_models, stacked
from benchmarks.evaluation.row_classes import split_row_classes
from benchmarks.execution.distillation import changed_peers
from benchmarks.execution.elsewhere import Elsewhere, place_of
from benchmarks.execution.executor import Outcomes, train_context, train_serially
from benchmarks.execution.hardware import HERE, Here
from benchmarks.execution.in_sample import keep_train_logits, lacking_train_logits
from benchmarks.execution.local import local_engine
from benchmarks.execution.parallel import train_in_parallel
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.slots import slots, visible_cards, workers
from benchmarks.execution.stopping import stop_signal
from benchmarks.execution.tasks import Task, complete_members, external_members, not_run, schedule
from benchmarks.external.cross_dataset import transfer
from benchmarks.files import CannotWrite, check_writable, json_text, remove_drafts, write_atomic
from benchmarks.fold import Fold
from benchmarks.processes import begun
from benchmarks.report import figures, leaderboard, page, readme
from benchmarks.report.epochs import damaged_histories
from benchmarks.rerun import unchanged
from benchmarks.rerun.fits import KnownFits, Validation
from benchmarks.rerun.measures import KnownMeasures
from benchmarks.results import Results
from benchmarks.results.schema import NotRun
from benchmarks.session import Options, Session
from benchmarks.store.claims import remove_given_up
from benchmarks.store.external_members import remarks
from benchmarks.store.locks import remove_left_holder
from benchmarks.store.predictions import Predictions
from benchmarks.store.weights import remove_finished

SILENT = NullProgress()
MOST_NAMED = 5  # members in a message that gives one reason for all
FITS, MEASURES = Path("local", "fits"), Path("local", "measures.json")  # in a suite's folder
SEARCHED_BY = "ensembles.search", "scipy.optimize"  # modules that every process of a search imports
STORED_BYTES = 4  # of a number of val, with one of test beside it: float16
CROSS_FITS = 5  # folds of val; as many as it has images, or groups of them, where these are fewer


class NothingToScore(ValueError):
    """No member has predictions; the message says what to do."""


class NotReported(OSError):
    """Results that were computed, and could not be written; the message says why, `results` holds them."""

    def __init__(self, results: Results, error: CannotWrite) -> None:
        super().__init__(f"the results are computed, but not all reports are written: {error}")
        self.results = results


def run(options: Options, display: NullProgress = SILENT) -> Results:
    """Run a suite as asked, and return the results that were written to `results/<suite>/results.json` and reported.

    Raises DataError, UnknownName, ValueError for bad input, NothingToScore, Interrupted, EngineLost, CannotWrite, and
    NotReported.
    """
    with place_of(options, display) as place:
        return _run(options, place, display)


def _run(options: Options, place: Here, display: NullProgress) -> Results:
    """Run a suite, whose members are trained at a place."""
    session, began_with = start(options), unchanged.inputs(options)
    with begun(_soon_needed(session) if place is HERE else 1, SEARCHED_BY):
        place.prepare(session)
        rows, unusable = schedule(session, place)
        external, damaged = external_members(session)
        notes = [*session.folds[0].targets.notes, *session.without_effect(), *remarks(chain.from_iterable(external))]
        reasons = [*unusable, *damaged]
        for note in [*notes, *(f"not used: {reason}" for reason in reasons)]:
            display.note(note)
        done, failed = train_missing(session, list(chain.from_iterable(rows)), display, place)
        own = complete_members(rows, done, len(session.folds))
        changed = changed_students(session, own)
        for note in changed:
            display.note(note)
    missing = not_run(session, rows, done, failed)
    predictions = [members + models for members, models in zip(own, external, strict=True)]
    if not predictions[0]:
        raise NothingToScore(_nothing(session, missing))
    searched = search_folds(session, predictions, display, place)
    notes += [*remarks(chain.from_iterable(own)), *changed, *reasons]
    processes = _processes(session, searched[0])
    known = KnownMeasures(session.folder / MEASURES, processes, fresh=options.fresh)
    results = evaluate(
        session.suite,
        pool(searched),
        options.results,
        not_run=missing,
        notes=notes,
        limits=session.limits,
        measure=known.measure,
    )
    results["notes"] += damaged_histories(results, session.store.folder)
    for note in results["notes"][len(notes) :]:
        display.note(f"not used: {note}")
    report(session, results, None if any(task.step.train for task in chain.from_iterable(rows)) else began_with)
    if lacking := figures.lacking_fonts(results):
        display.note(lacking)
    return results


def report_again(options: Options, last: unchanged.LastRun, display: NullProgress = SILENT) -> Results:
    """Write the reports of the last run by today's code, and return its results; raises as `run` does."""
    display.note("since the last run, only how results are reported has changed: its results, reported anew")
    report(start(options), last.results, last.inputs)
    return last.results


def start(options: Options) -> Session:
    """Begin a session; where members come from another suite, with their predictions in its store."""
    if options.source:
        check_writable(options.results)
        if options.train in ("missing", "always"):
            raise ValueError(f"--from {options.source} trains nothing: leave out --train {options.train}")
        here = Session(replace(options, members=(), source=""))
        transfer(here, options.source, options.members, here.device)
    session = Session(options)
    if not session.folder.is_dir():
        check_writable(options.results)  # others are read, and the table printed, where nothing can be written
    for folder in (options.results, session.folder, *session.folder.glob("*"), session.folder / FITS):
        remove_drafts(folder)
    remove_finished(session.checkpoints, session.store.folder)
    remove_given_up(session.checkpoints)
    remove_left_holder(session.store.folder)
    return session


def train_missing(session: Session, tasks: Sequence[Task], display: NullProgress, place: Here = HERE) -> Outcomes:
    """Train what the tasks say; with `--train missing`, also keep train logits that trained members lack."""
    options, stored = session.options, {task.stem: task.step.stored for task in tasks if task.step.stored is not None}
    missing = [task for task in tasks if task.step.train]
    if missing:
        check_writable(options.results)  # now, and not after hours
        if session.mirror is not None:
            session.mirror.check_writable()
    if missing or stored:
        session.keep_targets()
    here = options.train == "missing" and not isinstance(place, Elsewhere)
    lacking = lacking_train_logits(session, tasks) if here else []
    display.members(len(missing))
    if not (missing or lacking):
        return stored, {}
    deadline = None if options.time_budget is None else time.monotonic() + options.time_budget
    with stop_signal(deadline) as stop:
        done, failed = _train(session, missing, stop, display, place)
        if lacking:
            keep_train_logits(session.store, lacking, train_context(session, stop, display))
    return stored | done, failed


def _train(
    session: Session, tasks: Sequence[Task], stop: Callable[[], str | None], display: NullProgress, place: Here
) -> Outcomes:
    """Train at a place: here in this process, or in several where that was asked for."""
    if not tasks:
        return {}, {}
    if isinstance(place, Elsewhere):
        return train_in_parallel(session, tasks, place.engine, stop, display)
    options = session.options
    if options.cards > 1 and options.side_by_side != 1:
        raise ValueError(f"--cards {options.cards} trains one member at a time here: leave out --side-by-side")
    cards = visible_cards(session.device) if options.side_by_side != 1 else []
    count = workers(options.side_by_side, session.device, len(tasks), len(cards))
    if count == 1:
        return train_serially(session, tasks, stop, display)
    with local_engine(slots(count, cards, options.threads)) as engine:
        return train_in_parallel(session, tasks, engine, stop, display)


def changed_students(session: Session, members: Sequence[Sequence[Predictions]]) -> list[str]:
    """List the members, of every fold, whose teachers now say something else."""
    notes = (
        changed_peers(trained, session.store, fold.targets)
        for fold, trained in zip(session.folds, members, strict=True)
    )
    return list(dict.fromkeys(chain.from_iterable(notes)))


def _nothing(session: Session, missing: Sequence[NotRun]) -> str:
    by_reason = defaultdict(list)
    for item in missing:
        by_reason[item["reason"]].append(item["name"])
    lines = (f"\n  {line}: {reason}" for reason, names in by_reason.items() for line in _lines(names))
    reasons = "".join(lines)
    trains_none = session.options.source or session.options.train in ("missing", "always")
    advice = "" if trains_none else "\nTry --train missing."
    return f"No member of {session.suite.name} has predictions to score.{reasons}{advice}"


def _lines(names: Sequence[str]) -> list[str]:
    """Name the members for which one reason holds, a line each, or in one line where they are many."""
    different = list(dict.fromkeys(names))
    rest = len(different) - MOST_NAMED
    return [f"{', '.join(different[:MOST_NAMED])} and {rest} more"] if rest > 0 else different


def _soon_needed(session: Session) -> int:
    """Return how many processes will search, by the size of what is stored, where no fits are kept: one where there
    are, or where the store is so large that a copy of it would be felt."""
    if not session.options.fresh and (session.folder / FITS).is_dir():
        return 1
    try:
        size = sum(path.stat().st_size for path in session.store.prediction_files())
    except OSError:  # another process has removed one since it was listed
        return 1
    return 1 if size > STACKED_BYTES else session.jobs(size // STORED_BYTES)


def _processes(session: Session, searched: SearchedModels) -> int:
    """Return how many processes score: one where predictions are so many that a copy of them would be felt."""
    everyone = [*searched.predictions, *searched.excluded]
    logits = sum(member.val.nbytes for member in everyone)
    return 1 if logits > STACKED_BYTES else session.jobs(sum(member.val.size for member in everyone))


def search_folds(
    session: Session, predictions: Sequence[list[Predictions]], display: NullProgress, place: Here = HERE
) -> list[SearchedModels]:
    """Search ensembles in every fold, on its own validation split."""
    predictions = [mark_costly(models, session.limits) for models in predictions]
    members, kinds = len(_split(session, session.folds[0], predictions[0])[0]), len(session.ensemblers)
    display.note(f"searching {kinds} kinds of ensembles of {members} members on {session.suite.split_names[1]}")
    by_fold = zip(session.folds, predictions, strict=True)
    return [search_fold(session, fold, models, place) for fold, models in by_fold]


def _split(session: Session, fold: Fold, everyone: list[Predictions]) -> tuple[list[Predictions], list[Predictions]]:
    """Split members into those that ensembles are made of and the others.

    Budgets are judged where there is one val: folds would each judge for themselves, and differ.
    """
    val = fold.targets.val if len(session.folds) == 1 else None
    return split_row_classes(everyone, session.suite.extra_labels, val)


def search_fold(session: Session, fold: Fold, everyone: list[Predictions], place: Here = HERE) -> SearchedModels:
    """Search ensembles on val alone, and collect what they and all models, also those excluded from them, predict."""
    predictions, excluded = _split(session, fold, everyone)
    targets, val = fold.targets, stacked([member.val for member in predictions])
    labels = member_labels(predictions)
    groups = targets.val_groups
    if groups is not None and len(np.unique(groups)) == 1:
        groups = None  # as the data's notes say
    folds = min(CROSS_FITS, len(targets.val) if groups is None else len(np.unique(groups)))
    data = Validation(val, targets.val, labels, groups, folds, session.options.method_seconds)
    known = KnownFits(data, session.folder / FITS, fresh=session.options.fresh)
    with place.searching(session, val, targets.val) as jobs:
        ensembles = known.search(session.ensemblers, jobs)
    for logits in (val, stacked([member.test for member in predictions])):
        if isinstance(logits, np.ndarray):  # others lie in files, and what they make is not held in memory
            known.predict_ahead(ensembles, logits, session.jobs(logits.size))
    rows = scored_models(predictions, ensembles, excluded, known.predict)
    return SearchedModels(targets, predictions, ensembles, rows, excluded)


def report(session: Session, results: Results, began_with: unchanged.Facts | None) -> None:
    """Write results.json, leaderboard, figures and pages, and the README's table where the run is the default one.

    A run of the same inputs, those that this one `began_with`, then finds them; None where it trained. Raises
    NotReported.
    """
    try:
        _report(session, results)
        if began_with is not None:
            unchanged.keep(session.options, began_with)
    except CannotWrite as error:
        raise NotReported(results, error) from error


def _report(session: Session, results: Results) -> None:
    write_atomic(session.folder / "results.json", json_text(results))
    predictions = len(results["members"]) * len(session.folds[0].targets.val) * len(results["classes"])
    drawn = figures.begin(results, session.folder, session.jobs(predictions), fresh=session.options.fresh)
    try:
        leaderboard.write(results, session.folder)
        page.write_index(session.options.results)
        written = page.begin(results, session.folder)
    finally:
        drawn()
    written()
    if session.readme:
        readme.embed(session.readme, results)

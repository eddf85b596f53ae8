"""The pipeline, top to bottom: obtain predictions, search ensembles on val, score once on test, report."""

from __future__ import annotations

import json
import signal
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import ensembles
from benchmarks import leaderboard, suites
from benchmarks.atomic import write_atomic
from benchmarks.data import DataError, Dataset
from benchmarks.display import Quiet
from benchmarks.obtain import obtain, outcome, resolve_device
from benchmarks.plan import Mode, Step, decide, inspect
from benchmarks.predictions import Configuration, Predictions, Store, Targets
from benchmarks.published import read_published
from benchmarks.score import score
from benchmarks.suites.suite import Suite
from ensembles.search import choose, search
from zoo import registry

ROOT = Path(__file__).resolve().parents[1]


class NothingToScore(ValueError):
    """No member has predictions; the message says what to do."""


class Interrupted(KeyboardInterrupt):
    """The user asked to stop; what was reached is saved."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for; the defaults are its defaults."""

    suite: str
    members: tuple[str, ...] = ()
    ensemblers: tuple[str, ...] = ("*",)
    seeds: tuple[int, ...] = ()
    data: Path | None = None
    results: Path = ROOT / "results"
    device: str = "auto"
    train: Mode = "auto"
    epochs: int | None = None
    time_budget: float | None = None
    jobs: int = 1


def options_from(arguments: Namespace) -> Options:
    """The options of a parsed command line."""
    return Options(
        suite=arguments.suite,
        members=tuple(arguments.members),
        ensemblers=tuple(arguments.ensemblers),
        seeds=tuple(dict.fromkeys(arguments.seeds)),
        data=arguments.data,
        results=arguments.results or ROOT / "results",
        device=arguments.device,
        train=arguments.train,
        epochs=arguments.epochs,
        time_budget=arguments.time_budget,
        jobs=arguments.jobs,
    )


def download(options: Options) -> Path:
    """Fetches the suite's data into `--data` or data/<suite>; raises DataError."""
    suite = suites.get(options.suite)
    if suite.download is None:
        raise DataError(f"The suite {suite.name} has nothing to download: its data comes with the packages it uses.")
    return suite.download(options.data or Path("data") / suite.name)


class Session:
    """One suite with the user's options: what takes part, which data and targets belong to it, where files lie."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.suite: Suite = suites.get(options.suite)
        self.folder = options.results / self.suite.name
        self.store = Store(self.folder / "predictions")
        self.ensemblers = registry.select("ensembler", options.ensemblers, ensembles.names())
        self.members = self._members()

    def _members(self) -> list[registry.Member]:
        """Those asked for; else the suite's own and any other that has predictions in the store."""
        known = registry.members()
        if self.options.members:
            chosen = registry.select("member", self.options.members, known)
        else:
            others = [name for name in self.store.members() if name in known and name not in self.suite.members]
            chosen = [*self.suite.members, *others]
        found = [registry.get(name) for name in chosen]
        if self.options.epochs is None:
            return found
        return [replace(member, recipe=replace(member.recipe, epochs=self.options.epochs)) for member in found]

    @cached_property
    def dataset(self) -> Dataset:
        """The data, read when first needed; raises DataError."""
        return self.suite.load(self.options.data)

    @cached_property
    def targets(self) -> Targets:
        """Targets of val and test: of the data named by `--data`, else those stored with the predictions."""
        stored = None if self.options.data else self.store.targets()
        return stored or Targets.of(self.dataset)

    def wanted(self) -> list[Configuration]:
        """Each member with the seeds asked for; else with seed 0 and those in the store."""
        classes = len(self.targets.classes)
        return [
            Configuration(member, seed, self.targets.fingerprint, classes)
            for member in self.members
            for seed in self.options.seeds or sorted({0, *self.store.seeds(member.name)})
        ]

    def steps(self) -> tuple[list[Step], list[str]]:
        """What to do for each member, and notes on files not used; imports torch only where training is possible."""
        options = self.options
        steps, notes = inspect(self.wanted(), self.store, self.targets)
        if options.train != "always" and all(step.stored for step in steps):
            return steps, notes
        obstacle = "training is switched off" if options.train == "never" else self._obstacle()
        device = "cpu" if obstacle else resolve_device(options.device)
        decided = decide(
            steps,
            self.store,
            mode=options.train,
            device=device,
            train_size=self.targets.train_size,
            time_budget=options.time_budget,
            obstacle=obstacle,
        )
        return decided, notes

    def _obstacle(self) -> str | None:
        """Why nothing can be trained, if so. Raises DataError where training was asked for in so many words."""
        try:
            fingerprint = self.dataset.fingerprint
        except DataError:
            if self.options.train in ("missing", "always"):
                raise
            return "no data to train on"
        if fingerprint != self.targets.fingerprint:
            return "the images found are not those the stored predictions are of; --data DIR says that they are meant"
        return None

    def command(self, step: Step) -> str:
        """What trains this member later."""
        return f"python benchmark.py --suite {self.suite.name} {step.command}"


def run(options: Options, display: Quiet) -> dict[str, Any]:
    """The whole run; returns the results that were written to `results/<suite>/results.json` and reported.

    Raises DataError, UnknownName, ValueError for bad input, NothingToScore, and Interrupted.
    """
    session = Session(options)
    steps, notes = session.steps()
    for note in notes:
        display.note(f"not used: {note}")
    if any(step.train or step.stored for step in steps):
        session.store.save_targets(session.targets)
    predictions, failed = _obtain_all(session, steps, display)
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
    results = evaluate(session, predictions, not_run, notes)
    report(session, results)
    return results


def _obtain_all(session: Session, steps: Sequence[Step], display: Quiet) -> tuple[list[Predictions], dict[str, str]]:
    """Predictions in the order of the steps, and for each member that failed or had to stop, why."""
    found: list[Predictions] = []
    failed: dict[str, str] = {}
    display.members(sum(step.train for step in steps))
    deadline = None if session.options.time_budget is None else time.monotonic() + session.options.time_budget
    with _stop_signal(deadline) as stop:
        for step in steps:
            if step.stored is not None:
                found.append(step.stored)
            if not step.train:
                continue
            label = step.configuration.label
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


INTERRUPT = "interrupted"
BUDGET_SPENT = "the time budget is spent"


@contextmanager
def _stop_signal(deadline: float | None) -> Iterator[Callable[[], str | None]]:
    """A function that says why to stop, if there is a reason; the first Ctrl-C is one, the second raises at once."""
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    def stop() -> str | None:
        if pressed:
            return INTERRUPT
        if deadline is not None and time.monotonic() > deadline:
            return BUDGET_SPENT
        return None

    before = signal.signal(signal.SIGINT, press)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def summary(options: Options, results: dict[str, Any]) -> str:
    """The headline in plain words, what did not run, and where the report is."""
    lines = [leaderboard.headline(results).replace("*", "")]
    lines += [f"not run: {item['name']} (seed {item['seed']}): {item['reason']}" for item in results["not_run"]]
    return "\n".join([*lines, f"report: {options.results / results['suite'] / 'leaderboard.md'}"])


def evaluate(
    session: Session, predictions: Sequence[Predictions], not_run: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    """The results: ensembles searched on val alone, then everything scored once on test."""
    targets, suite = session.targets, session.suite
    val = np.stack([found.val for found in predictions])
    found = search(val, targets.val, session.ensemblers, n_jobs=session.options.jobs)
    fitted = [one for one in found if one.error is None]
    train_name, val_name, test_name = suite.split_names
    sizes = (targets.train_size, len(targets.val), len(targets.test))
    names = zip(("train", "val", "test"), (train_name, val_name, test_name), sizes, strict=True)
    results = {
        "suite": suite.name,
        "title": suite.title,
        "classes": list(targets.classes),
        "splits": {split: {"name": name, "size": size} for split, name, size in names},
        "data_fingerprint": targets.fingerprint,
        "headline": choose(fitted).name if fitted else None,
        **score(predictions, found, targets),
        "published": read_published(suite.name) if suite.published else [],
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
    """Writes results.json, the leaderboard and the figures, and the README's table where the run is the default one."""
    write_atomic(session.folder / "results.json", json.dumps(results, indent=1) + "\n")
    leaderboard.write(results, session.folder)
    readme = ROOT / "README.md"
    options = session.options
    default = options.results == ROOT / "results" and not (options.members or options.seeds or options.epochs)
    if default and options.ensemblers == ("*",) and readme.exists():
        leaderboard.embed(readme, results)

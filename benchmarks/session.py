"""What a run is about: the user's options, and with them the suite, its data, its targets and who takes part."""

from __future__ import annotations

import shlex
from argparse import Namespace
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import ensembles
from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.execution.plan import Mode, Step, decide, inspect
from benchmarks.files import write_atomic
from benchmarks.provenance import cpu_cores, resolve_device
from benchmarks.store.external_members import (
    external_names,
    load_external,
    load_transferred,
    transferred_names,
)
from benchmarks.store.folds import save_folds, stored_targets
from benchmarks.store.identity import FROM, Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from benchmarks.suites.suite import Suite
from zoo import registry
from zoo.overrides import override
from zoo.training.compiling import Choice

ROOT = Path(__file__).resolve().parents[1]
USUAL = DataOptions()
DATA_OPTIONS = {"data": "path", "image_side": "side", "groups": "groups", "split_seed": "seed"}
"""The field of DataOptions that each argument of the command line sets."""
WORTH_PROCESSES = 200_000  # numbers in the val predictions: about six seconds of search, to two of starting a process


def usual_results() -> Path:
    """Where results lie unless the user says otherwise: in the source tree; of an installed package, which is no place
    to write to, in the current folder."""
    return ROOT / "results" if (ROOT / "pyproject.toml").is_file() else Path("results")


@dataclass(frozen=True)
class Options:
    """What the command line asks for; its arguments have these names, and no defaults but these."""

    suite: str = "fer2013"
    members: tuple[str, ...] = ()
    zoo: tuple[str, ...] = ()
    ensemblers: tuple[str, ...] = ("*",)
    seeds: tuple[int, ...] = ()
    data: DataOptions = USUAL
    results: Path = field(default_factory=usual_results)
    device: str = "auto"
    train: Mode = "auto"
    compiling: Choice = "auto"
    epochs: int | None = None
    recipe: str = "house"
    changes: tuple[str, ...] = ()
    time_budget: float | None = None
    jobs: int | None = None
    side_by_side: int | Literal["auto"] = 1
    source: str = ""  # the suite whose trained members are evaluated on this one


def options_from(arguments: Namespace) -> Options:
    """The options of a parsed command line: what it does not say keeps its default, what it says twice counts once."""
    given: dict[str, Any] = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in vars(arguments).items()
    }
    data = {its_name: given.pop(name) for name, its_name in DATA_OPTIONS.items() if name in given}
    return Options(
        data=DataOptions(**data), **{one.name: given[one.name] for one in fields(Options) if one.name in given}
    )


def download(options: Options) -> Path:
    """Fetches the suite's data into `--data` or data/<suite>; raises DataError."""
    suite = suites.get(options.suite)
    if suite.download is None:
        raise DataError(
            f"The suite {suite.name} has nothing to download: its data comes with the packages it uses, or is your own."
        )
    return suite.download(options.data.path or Path("data") / suite.name)


class Session:
    """One suite with the user's options: what takes part, which data and targets belong to it, where files lie.

    Of a suite in folds, the data and targets are those of one `fold`, and `parts` are the sessions of all.
    """

    def __init__(self, options: Options, fold: int = 0) -> None:
        registry.include(options.zoo)
        self.options = options
        suite = suites.get(options.suite).of(options.data)
        self.fold, self.folds = fold, max(1, len(suite.folds))
        self.suite: Suite = suite.of_fold(fold)
        self.folder = options.results / self.suite.name
        self.store = PredictionStore(self.folder / "predictions")
        self.ensemblers = registry.select("ensembler", options.ensemblers, ensembles.names())
        self.external_names = external_names(self.store)
        self.transferred_names = transferred_names(self.store)
        self.members = self._members()

    def _members(self) -> list[registry.Member]:
        """Those asked for; else the suite's own and any other that has predictions in the store.

        With members from another suite, only those asked for, or all that have predictions: nothing is trained.
        """
        asked, source = self.options.members, self.options.source
        stored = [name for name in self.store.members() if registry.is_known(name)]
        if asked and source:
            self.external_names, chosen = [], []
            patterns = [f"{pattern}{FROM}{source}" for pattern in asked]
            self.transferred_names = registry.select("member", patterns, self.transferred_names)
        elif asked:
            named = [name for name in asked if "@" in name and registry.is_known(name)]
            here = [*registry.members(), *self.suite.members, *stored, *named]
            everyone = dict.fromkeys([*here, *self.external_names, *self.transferred_names])
            wanted = registry.select("member", asked, everyone)
            self.external_names = [name for name in self.external_names if name in wanted]
            self.transferred_names = [name for name in self.transferred_names if name in wanted]
            chosen = [name for name in wanted if registry.is_known(name)]
        else:
            chosen = list(dict.fromkeys([*(() if source else self.suite.members), *stored]))
        found = [registry.get(name) for name in chosen]
        if self.options.recipe != "house":
            found = list(dict.fromkeys(registry.with_recipe(member, self.options.recipe) for member in found))
        epochs = () if self.options.epochs is None else (f"recipe.epochs={self.options.epochs}",)
        return [override(member, [*self.suite.changes, *self.options.changes, *epochs]) for member in found]

    @cached_property
    def parts(self) -> list[Session]:
        """A session a fold, this one among them; this one alone where the suite has no folds."""
        return [self if fold == self.fold else Session(self.options, fold) for fold in range(self.folds)]

    @cached_property
    def dataset(self) -> Dataset:
        """The data, read when first needed; raises DataError."""
        return self.suite.read(self.options.data)

    def lesson(self, member: registry.Member) -> Dataset:
        """The data as a member learns from it: with the suite's extra labels where its recipe asks for votes; raises
        DataError where they are missing."""
        extra = self.suite.extra_labels
        if extra is None or not member.recipe.labels.votes:
            return self.dataset
        return extra.join(self.dataset, self.options.data)

    def release(self) -> None:
        """Lets go of the images, which are read again when they are needed: folds hold nearly all of them each."""
        vars(self).pop("dataset", None)

    @cached_property
    def targets(self) -> Targets:
        """Targets of val and test: of the data where options say which, else those stored with the predictions.

        A folder of one's own that is gone leaves what is stored of it.
        """
        named = self.options.data != USUAL and not self.suite.gone(self.options.data)
        stored = None if named else stored_targets(self.store.folder, self.fold if self.folds > 1 else None)
        return stored or Targets.of(self.dataset)

    def keep_targets(self) -> None:
        """Stores what scores the predictions of every fold, and beside the reports what the data, where it was read,
        has to list."""
        for part in self.parts:
            save_targets(self.store.folder, part.targets)
            for name, text in part.dataset.listings.items() if "dataset" in vars(part) else ():
                write_atomic(self.folder / name, text)
        if self.folds > 1:
            save_folds(self.store.folder, [part.targets.fingerprint for part in self.parts])

    def wanted(self) -> list[Configuration]:
        """Each member with the seeds asked for; else with seed 0 and those in the store."""
        classes = len(self.targets.classes)
        return [
            Configuration(member, seed, self.targets.fingerprint, classes)
            for member in self.members
            for seed in self.options.seeds or sorted({0, *self.store.seeds(member.name)})
        ]

    def external_members(self) -> tuple[list[Predictions], list[str]]:
        """Predictions of the external models and the members from other suites that take part, and notes on files not
        used."""
        elsewhere, unusable = load_transferred(self.store, self.targets, self.transferred_names)
        externals, unreadable = load_external(self.store, self.targets, self.external_names)
        return elsewhere + externals, unusable + unreadable

    def steps(self) -> tuple[list[Step], list[str]]:
        """What to do for each member, and notes on files not used; imports torch only where training is possible."""
        steps, notes = self.inspected()
        return self.decided(steps), notes

    def inspected(self) -> tuple[list[Step], list[str]]:
        """A step for each member, as `plan.inspect` has it."""
        steps, notes = inspect(self.wanted(), self.store, self.targets)
        if self.suite.gone(self.options.data):
            notes.append(f"{self.suite.title}: the folder is not there; this is rebuilt from stored predictions")
        return steps, notes

    def decided(self, steps: list[Step]) -> list[Step]:
        """The steps, of this session or of all its parts, with what will be trained within one time budget."""
        options = self.options
        if options.train != "always" and all(step.stored for step in steps):
            return steps
        obstacle = "training is switched off" if options.train == "never" else self._obstacle()
        device = "cpu" if obstacle else resolve_device(options.device)
        return decide(
            steps,
            self.store,
            mode=options.train,
            compiling=options.compiling,
            device=device,
            train_size=self.targets.train_size,
            time_budget=options.time_budget,
            obstacle=obstacle,
        )

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

    def jobs(self, predictions: int) -> int:
        """Processes for a search among so many numbers, and for the figures after it: those asked for, else several
        where starting them pays."""
        return self.options.jobs or (cpu_cores() if predictions >= WORTH_PROCESSES else 1)

    @property
    def readme(self) -> Path | None:
        """The project's README where the run is the default one, whose table it shows."""
        options, readme = self.options, ROOT / "README.md"
        as_they_are = options.recipe == "house" and not options.changes and options.epochs is None
        selective = options.members or options.zoo or options.seeds or not as_they_are or options.ensemblers != ("*",)
        return readme if options.results == ROOT / "results" and not selective and readme.exists() else None

    def command(self, step: Step) -> str:
        """What trains this member later."""
        zoo = f" --zoo {shlex.join(self.options.zoo)}" if self.options.zoo else ""
        return f"python benchmark.py {self.selection}{zoo} {step.command}"

    @property
    def selection(self) -> str:
        """The options that say which suite and data this is, as the command line takes them."""
        data = self.options.data
        own = ("--data", str(data.path)) if self.suite.own else ()
        return shlex.join(["--suite", self.options.suite, *own, *chain.from_iterable(data.flags().items())])

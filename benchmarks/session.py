"""What a run is about: the user's options, and with them the suite, its folds and who takes part."""

from __future__ import annotations

import math
import os
import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import ensembles
from benchmarks import suites
from benchmarks.data import DataError, DataOptions
from benchmarks.files import write_atomic
from benchmarks.fold import Fold
from benchmarks.provenance import cpu_cores, resolve_device
from benchmarks.store.external_members import external_names, transferred_names
from benchmarks.store.folds import save_folds
from benchmarks.store.identity import FROM, Configuration
from benchmarks.store.mirror import mirror_of
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import save_targets, targets_path
from benchmarks.suites.suite import Suite
from zoo import registry
from zoo.effective import without_effect
from zoo.member import Member
from zoo.overrides import override
from zoo.recipes import GUIDES, named_members
from zoo.training.compiling import Choice
from zoo.variants import start_part

Mode = Literal["auto", "missing", "always", "never"]

ROOT = Path(__file__).resolve().parents[1]
USUAL = DataOptions()
DATA_OPTIONS = {
    "data": "path",
    "image_side": "side",
    "groups": "groups",
    "split_seed": "seed",
    "cached": "cached",
    "unlabelled": "unlabelled",
}
"""The field of DataOptions that each argument of the command line sets."""
IDLE = {"time_budget": "--time-budget", "side_by_side": "--side-by-side", "compiling": "--compile"}
"""Arguments that say how members are trained."""
SUITE_NAME = re.compile(r"[\w.-]+")
ENGINE = "BENCHMARK_ENGINE"
"""Stands for `--engine` where that is not given."""
WORTH_PROCESSES = 200_000  # numbers in the val predictions: about six seconds of search, to two of starting a process


def usual_results() -> Path:
    """Return where results lie unless the user says otherwise: in the source tree, or, since an installed package is no
    place to write to, in the current folder."""
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
    method_seconds: float | None = None  # that one fit of an ensembler may take
    side_by_side: int | Literal["auto"] = 1
    fresh: bool = False  # fit and draw everything anew, also what is known
    threads: int | None = None  # of each training; None: as many as it has cores
    cards: int = 1  # on which each member is trained
    checkpoint_every: float | None = None  # seconds; None: as suits a disk of this machine, or a shared one
    engine: str = ""  # address or file of the scheduler whose workers train
    address: str = ""  # of the bucket that `results` mirrors, where the run is on another machine
    other_code: bool = False  # whether they may run other code than this run
    init_from: str = ""  # SUITE or SUITE:MEMBER[:SEED], whose trained weights members start from
    budget_flops: float | None = None  # of an image, at most, for the ensemble that is the headline
    budget_ms: float | None = None
    source: str = ""  # the suite whose trained members are evaluated on this one


def options_from(arguments: Namespace) -> Options:
    """Read the options of a parsed command line: what is not given keeps its default, repetitions count once.

    Raises ValueError where options have no effect beside others.
    """
    given: dict[str, Any] = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in vars(arguments).items()
    }
    if given.get("train") == "never" and (idle := [name for name in IDLE if name in given]):
        raise ValueError(f"{IDLE[idle[0]]} has no effect, since --train never trains nothing: leave one of them out")
    given.setdefault("engine", os.environ.get(ENGINE, ""))
    data = {its_name: given.pop(name) for name, its_name in DATA_OPTIONS.items() if name in given}
    return Options(
        data=DataOptions(**data),
        **{option.name: given[option.name] for option in fields(Options) if option.name in given},
    )


def download(options: Options) -> Path:
    """Fetch the suite's data into `--data` or data/<suite>; raise DataError."""
    suite = suites.get(options.suite)
    if suite.download is None:
        raise DataError(
            f"The suite {suite.name} has nothing to download: its data comes with the packages it uses, or is your own."
        )
    return suite.download(options.data.path or Path("data") / suite.name)


@dataclass(frozen=True)
class Participants:
    """Who takes part: members of the zoo, as they are trained here, and names of models that come from elsewhere."""

    members: list[Member]
    external: list[str]
    transferred: list[str]


def choose_participants(
    options: Options, suite: Suite, stored: Sequence[str], external: Sequence[str], transferred: Sequence[str]
) -> Participants:
    """Choose those asked for; else the suite's own members and all others that have predictions in the store.

    With members from another suite, only those asked for, or all that have predictions: nothing is trained. `stored`,
    `external` and `transferred` are the names of members, external models and members from other suites in the store.
    Raises UnknownName, and ValueError for a change that cannot be.
    """
    asked, source = options.members, options.source
    stored = [name for name in stored if registry.is_known(name)]
    if asked and source:
        wanted = registry.select("member", [f"{pattern}{FROM}{source}" for pattern in asked], transferred)
        return Participants([], [], wanted)
    if asked:
        named = [name for name in asked if "@" in name and registry.is_known(name)]
        everyone = dict.fromkeys([*registry.members(), *suite.members, *stored, *named, *external, *transferred])
        wanted = registry.select("member", asked, everyone)
        external, transferred = ([name for name in names if name in wanted] for names in (external, transferred))
        chosen = [name for name in wanted if registry.is_known(name)]
    else:
        chosen = list(dict.fromkeys([*(() if source else suite.members), *stored]))
    return Participants(_as_asked(chosen, options, suite), list(external), list(transferred))


def _as_asked(names: Sequence[str], options: Options, suite: Suite) -> list[Member]:
    """Return the members with the recipe and the changes that the suite and the user ask for."""
    members = [registry.get(name) for name in names]
    if options.recipe != "house":
        members = list(dict.fromkeys(registry.with_recipe(member, options.recipe) for member in members))
    epochs = () if options.epochs is None else (f"recipe.epochs={options.epochs}",)
    changed = [override(member, [*suite.changes, *options.changes, *epochs]) for member in members]
    _check_names(changed, options.changes)
    return [_starting(member, options.init_from) for member in changed]


def _check_names(members: Sequence[Member], changes: Sequence[str]) -> None:
    """Raise UnknownName or ValueError for optimizers, teachers and judges that the user names and no training could
    have, before anything is trained.

    Names of optimizers are those of two libraries, whose import takes seconds: it waits until somebody names one.
    """
    named = {change.partition("=")[0].strip() for change in changes}
    for recipe in dict.fromkeys(member.recipe for member in members):
        if "recipe.optimizer" in named:
            from zoo.training.optimizers import optimizer_of

            optimizer_of(recipe)
        for setting in GUIDES:
            if f"recipe.labels.{setting}" in named and (text := getattr(recipe.labels, setting)):
                for name, _ in named_members(text):
                    registry.get(name)


def _starting(member: Member, origin: str) -> Member:
    """Return the member as one that starts from trained weights: those of `SUITE` are its own there, those of
    `SUITE:MEMBER` another member's. Its name says which, so that later runs list what is stored under it."""
    if not origin:
        return member
    suite, _, name = origin.partition(":")
    if not SUITE_NAME.fullmatch(suite):
        raise ValueError(f"--init-from {origin}: write it as SUITE or SUITE:MEMBER")
    if name:
        registry.get(named_members(name)[0][0])  # UnknownName for what no one can have trained
    other = "" if name in ("", member.name) else name
    started = member.starting_from(suite, other or member.name)
    return replace(started, name=f"{member.name}@{start_part(suite, other)}")


def long_enough(member: Member, train_size: int, least: int) -> Member:
    """Return the member with so many epochs that its training sees `least` images, or more where its recipe says so;
    as it is where its recipe is a publication's."""
    epochs = math.ceil(least / min(train_size, member.recipe.epoch_images or train_size))
    if epochs <= member.recipe.epochs or member.name.endswith("@paper"):
        return member
    return override(member, [f"recipe.epochs={epochs}"])


class Session:
    """One suite with the user's options: who takes part, where files lie, and the folds of the data."""

    def __init__(self, options: Options, adding: Sequence[str] = ()) -> None:
        """Begin with the user's options; `adding` names external models that are about to be added.

        Raises DataError, UnknownName, and ValueError for options that cannot be.
        """
        registry.include(options.zoo)
        self.options = options
        self.suite = suite = suites.get(options.suite).of(options.data)
        _check_effect(suite, options)
        self.folder = options.results / suite.name
        _check_there(suite, options, self.folder)
        self.checkpoints = self.folder / "checkpoints"
        self.mirror = mirror_of(options.results)
        self.store = store = PredictionStore(self.folder / "predictions")
        self.ensemblers = registry.select("ensembler", options.ensemblers, ensembles.names())
        with store.listed_once():
            names = store.members(), [*external_names(store), *adding], transferred_names(store)
        self.participants = choose_participants(options, suite, *names)
        if options.data.unlabelled and not any(one.recipe.labels.annotator for one in self.participants.members):
            raise ValueError(
                "--unlabelled has no effect: no member here learns from images without labels. Name who labels them: "
                "--set recipe.labels.annotator=MEMBER"
            )
        self.folds = [Fold(suite, options.data, store, index) for index in range(max(1, len(suite.folds)))]

    @cached_property
    def device(self) -> str:
        """What trains, `cpu` or `cuda`; imports torch. Raises ValueError where a GPU is asked for and there is none."""
        return resolve_device(self.options.device)

    def configurations(self, fold: Fold) -> list[Configuration]:
        """List each member with the seeds asked for; else with seed 0 and those in the store."""
        fingerprint, classes = fold.targets.fingerprint, len(fold.targets.classes)
        train_size, least = fold.targets.train_size, 0 if self._has_own_length() else self.suite.least_images
        return [
            Configuration(
                long_enough(member, train_size, least), seed, fingerprint, classes, channels=self.suite.channels
            )
            for member in self.participants.members
            for seed in self.options.seeds or sorted({0, *self.store.seeds(member.name)})
        ]

    def without_effect(self) -> list[str]:
        """Name settings that change nothing of a member, with the reason: those of the user, and of the user's own
        members."""
        given = {change.partition("=")[0].strip() for change in self.options.changes}
        reasons: dict[str, list[str]] = {}
        for member in self.participants.members:
            for setting, why in without_effect(member, self.suite.channels).items():
                if member.code or setting in given:
                    reasons.setdefault(f"{setting} has no effect: {why}", []).append(member.name)
        return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]

    def _has_own_length(self) -> bool:
        """Tell whether the user says how long members are trained."""
        options = self.options
        changed = any(change.startswith("recipe.epochs=") for change in options.changes)
        return options.recipe != "house" or options.epochs is not None or changed

    def keep_targets(self) -> None:
        """Store what scores the predictions of every fold, and beside the reports what data that was read lists."""
        for fold in self.folds:
            self._keep_targets_of(fold)
            for name, text in fold.listings.items():
                write_atomic(self.folder / name, text)
        if len(self.folds) > 1:
            save_folds(self.store.folder, [fold.targets.fingerprint for fold in self.folds])

    def _keep_targets_of(self, fold: Fold) -> None:
        """Store the targets of a fold, also in the bucket: together with what another run has stored meanwhile."""
        save_targets(self.store.folder, fold.targets)
        name = f"{self.suite.name}/predictions/{targets_path(self.store.folder, fold.targets.fingerprint).name}"
        if self.mirror is not None and not self.mirror.put_changed(name):
            save_targets(self.store.folder, fold.targets)
            self.mirror.put_changed(name)

    def jobs(self, predictions: int) -> int:
        """Return how many processes search among so many numbers, and draw the figures after it: as many as asked for,
        else several where starting them pays."""
        return self.options.jobs or (cpu_cores() if predictions >= WORTH_PROCESSES else 1)

    @property
    def readme(self) -> Path | None:
        """The project's README where the run is the default one, whose table it shows."""
        options, readme = self.options, ROOT / "README.md"
        changed = options.changes or options.init_from or options.epochs is not None
        as_they_are = options.recipe == "house" and not changed
        selective = options.members or options.zoo or options.seeds or not as_they_are or options.ensemblers != ("*",)
        selective = selective or bool(self.limits)
        return readme if options.results == ROOT / "results" and not selective and readme.exists() else None

    @property
    def limits(self) -> dict[str, float]:
        """What an image may cost for the headline's ensemble, by unit: flops, ms."""
        given = {"flops": self.options.budget_flops, "ms": self.options.budget_ms}
        return {unit: limit for unit, limit in given.items() if limit is not None}

    @property
    def selection(self) -> str:
        """The options that say which suite and data this is, as the command line takes them."""
        return self.suite.selection


def _check_effect(suite: Suite, options: Options) -> None:
    """Raise DataError or ValueError for options that would change nothing."""
    suite.check(options.data)
    if options.source == options.suite:
        raise ValueError(f"--from {options.source}: members trained on {options.suite} take part in it by themselves")


def _check_there(suite: Suite, options: Options, folder: Path) -> None:
    """Raise DataError where one's own folder is gone and left no results, naming those of folders called alike."""
    if not suite.gone(options.data) or folder.is_dir():
        return
    alike = suite.name.rpartition("-")[0]
    found = sorted(str(path) for path in options.results.glob(f"{alike}*") if path.is_dir())
    if found:
        raise DataError(
            f"{options.data.path}: there is no such folder, and {folder} holds no results of it. There are results of "
            f"folders called alike: {', '.join(found)}. If one of them is of this folder, call it {folder.name}."
        )

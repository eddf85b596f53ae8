"""Compare rules that choose the headline, on val alone: `python benchmark.py rules --suite ferplus --repeats 20`.

The search runs on a random half of val, each rule chooses a method by what it then knows, and the other half scores the
choice. The halves overlap from repeat to repeat: the standard errors are too small. Test is not looked at.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.commands.budget import stored_members
from benchmarks.commands.options import suite_arguments, whole
from benchmarks.evaluation.metrics import accuracy, log_loss
from benchmarks.evaluation.row_classes import split_row_classes
from benchmarks.formats import columns, percent
from benchmarks.results import BEST_SINGLE, UNIFORM
from benchmarks.session import Session, options_from
from ensembles.search import SearchResult, behind, choose, search

Rule = Callable[[Sequence[SearchResult]], SearchResult]
BASE = "by accuracy, then the simplest"  # that the others are compared with


def _accurate(found: Sequence[SearchResult]) -> list[SearchResult]:
    """Those within one standard error of the best accuracy."""
    best = _most_accurate(found)
    return [one for one in found if behind(best.cross_fit_correct - one.cross_fit_correct) <= 1.0]


def _most_accurate(found: Sequence[SearchResult]) -> SearchResult:
    return max(found, key=lambda one: one.cross_fit_accuracy)


def _simplest(found: Sequence[SearchResult]) -> SearchResult:
    return min(found, key=lambda one: (one.complexity, -one.cross_fit_accuracy))


def _named(name: str) -> Rule:
    return lambda found: next(one for one in found if one.name == name)


RULES: Mapping[str, Rule] = {
    "by log-loss, then the simplest (in use)": choose,
    BASE: lambda found: _simplest(_accurate(found)),
    "by accuracy, then log-loss, then the simplest": lambda found: choose(_accurate(found)),
    "the best accuracy": _most_accurate,
    "the best log-loss": lambda found: min(found, key=lambda one: one.cross_fit_log_loss),
    "best single member": _named(BEST_SINGLE),
    "uniform average": _named(UNIFORM),
}


@dataclass(frozen=True)
class Choice:
    """What a rule chose on one half: the method, its accuracy and log-loss on the other half."""

    method: str
    accuracy: float
    log_loss: float


def arguments(parser: ArgumentParser) -> None:
    """Add how often, and which members and methods."""
    parser.add_argument("--repeats", metavar="N", type=_at_least_two, default=20, help="random halves (default: 20)")
    suite_arguments(parser, "--members", "--seeds", "--ensemblers", "--jobs")


def execute(arguments: Namespace) -> None:
    """Print a row for each rule."""
    session = Session(replace(options_from(arguments), train="never"))
    targets = session.folds[0].targets.val
    members, _ = split_row_classes(stored_members(session), session.suite.extra_labels, targets)
    if not members:
        raise ValueError(f"{session.suite.name} has no predictions to make ensembles of")
    logits = np.stack([member.val for member in members])
    names = list(dict.fromkeys([BEST_SINGLE, UNIFORM, *session.ensemblers]))
    chosen: list[dict[str, Choice]] = []
    for repeat in range(arguments.repeats):
        chosen.append(halved(logits, targets, names, repeat, session.jobs(logits.size // 2)))
        print(f"half {repeat + 1} of {arguments.repeats}: {_methods(chosen[-1])}", file=sys.stderr, flush=True)
    print(
        f"{len(members)} members, {len(names)} methods, {arguments.repeats} halves of {len(targets):,} images of val\n"
    )
    print(columns(rows(chosen)))


def halved(
    logits: np.ndarray, targets: np.ndarray, names: Sequence[str], seed: int, jobs: int = 1
) -> dict[str, Choice]:
    """Search on a random half of logits [M, N, C] and targets [N], and score the choice of each rule on the other."""
    places = np.random.default_rng(seed).permutation(len(targets))
    known, unseen = np.sort(places[: len(places) // 2]), np.sort(places[len(places) // 2 :])
    results = search(logits[:, known], targets[known], names, random_state=seed, n_jobs=jobs)
    found = [one for one in results if one.ensembler is not None]
    scored: dict[str, Choice] = {}
    choices = {}
    for rule, of in RULES.items():
        one = of(found)
        if one.name not in scored:
            assert one.ensembler is not None
            said = one.ensembler.predict_proba(logits[:, unseen])
            scored[one.name] = Choice(one.name, accuracy(said, targets[unseen]), log_loss(said, targets[unseen]))
        choices[rule] = scored[one.name]
    return choices


def rows(chosen: Sequence[Mapping[str, Choice]]) -> list[dict[str, str | None]]:
    """Return a row for each rule: mean accuracy and log-loss, the difference from the rule without log-loss in points
    with its standard error over the halves, and what it chose most often."""
    base = np.array([choices[BASE].accuracy for choices in chosen])
    found = []
    for rule in RULES:
        accuracies = np.array([choices[rule].accuracy for choices in chosen])
        gain = 100 * (accuracies - base)
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        most, times = Counter(choices[rule].method for choices in chosen).most_common(1)[0]
        found.append(
            {
                "rule": rule,
                "accuracy, %": percent(float(accuracies.mean())),
                "gain": f"{gain.mean():+.2f} ± {error:.2f}",
                "log-loss": f"{np.mean([choices[rule].log_loss for choices in chosen]):.3f}",
                "most often": f"{most} ({times})",
            }
        )
    return found


def _at_least_two(text: str) -> int:
    if (number := whole(text)) < 2:
        raise ArgumentTypeError(f"must be at least 2, not {number}: one half has no standard error")
    return number


def _methods(choices: Mapping[str, Choice]) -> str:
    return ", ".join(dict.fromkeys(choice.method for choice in choices.values()))

"""Choose the best ensemble within a budget, on val: `python benchmark.py budget --suite fer2013 --budget-flops 2e9`.

Averages of members, from the stored predictions and the costs of results.json; without a budget, a curve of budgets is
written to results/<suite>/budgets.csv.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.commands.options import suite_arguments
from benchmarks.evaluation.budgets import OFFERED, Choice, Cost, cost_of, curve, offered, within
from benchmarks.evaluation.models import member_labels
from benchmarks.evaluation.row_classes import split_row_classes
from benchmarks.evaluation.significance import bootstrap_intervals
from benchmarks.execution.tasks import external_members, schedule
from benchmarks.files import csv_text_of, write_atomic
from benchmarks.formats import columns, interval, percent
from benchmarks.results import read_results
from benchmarks.results.analyses import BUDGET_UNITS
from benchmarks.results.schema import MemberFacts
from benchmarks.session import Session, options_from
from benchmarks.store.predictions import Predictions
from ensembles import softmax

FILE = "budgets.csv"


def arguments(parser: ArgumentParser) -> None:
    """Add the limits."""
    suite_arguments(parser, "--members", "--seeds", *(f"--budget-{unit}" for unit in BUDGET_UNITS))


@dataclass(frozen=True, eq=False)
class Known:
    """Members that have both predictions and costs: facts, probabilities [M, N, C] of val and test, and targets."""

    facts: list[MemberFacts]
    val: np.ndarray
    test: np.ndarray
    val_targets: np.ndarray
    test_targets: np.ndarray
    test_groups: np.ndarray | None
    offered: str


def execute(arguments: Namespace) -> None:
    """Print what is best within the budgets; without one, write the curve."""
    session = Session(replace(options_from(arguments), train="never"))
    known = known_members(session)
    asked = {
        unit: budget for unit in BUDGET_UNITS if (budget := getattr(arguments, f"budget_{unit}", None)) is not None
    }
    if asked:
        print(columns([row(known, unit, budget) for unit, budget in asked.items()]))
        return
    rows = [row(known, unit, budget) for unit in BUDGET_UNITS for budget in _curve(known, cost_of(known.facts, unit))]
    if not rows:
        raise ValueError(f"{session.folder / 'results.json'} knows no member's cost: nothing can be put into a budget")
    write_atomic(session.folder / FILE, csv_text_of([{**line, OFFERED: known.offered} for line in rows]))
    print(f"{columns(rows)}\n{session.folder / FILE}")


def stored_members(session: Session) -> list[Predictions]:
    """Return the predictions that a suite has in the store: of its members, then of external ones.

    Raises ValueError for a suite in folds, of which each has networks of its own.
    """
    if len(session.folds) > 1:
        raise ValueError(
            f"{session.suite.name} is scored in folds, each by networks of its own: no one ensemble is chosen"
        )
    rows, _ = schedule(session)
    external, _ = external_members(session)
    return [*(task[0].step.stored for task in rows if task[0].step.stored is not None), *external[0]]


def known_members(session: Session) -> Known:
    """Line up stored predictions with what results.json knows of their costs; raise ValueError where none are."""
    members, _ = split_row_classes(stored_members(session), session.suite.extra_labels, session.folds[0].targets.val)
    results = read_results(session.folder / "results.json")
    facts = {member["label"]: member for member in results["members"]}
    pairs: list[tuple[Predictions, MemberFacts]] = [
        (model, facts[label]) for label, model in zip(member_labels(members), members, strict=True) if label in facts
    ]
    if not pairs:
        raise ValueError(f"no member of {session.suite.name} has predictions and a row in results.json; run it first")
    targets = session.folds[0].targets
    val, test = (softmax(np.stack([getattr(model, split) for model, _ in pairs])) for split in ("val", "test"))
    offer = offered(pairs, targets)
    return Known([known for _, known in pairs], val, test, targets.val, targets.test, targets.test_groups, offer)


def _curve(known: Known, cost: Cost) -> Sequence[float]:
    costs = [value for place in range(len(known.facts)) if (value := cost([place])) is not None]
    return curve(costs) if costs else []


def row(known: Known, unit: str, budget: float) -> dict[str, object]:
    """Choose for a budget on val, and score the choice once on test; raise NothingAffordable."""
    choice = within(known.val, known.val_targets, cost_of(known.facts, unit), budget)
    correct = known.test[list(choice.members)].mean(axis=0).argmax(axis=1) == known.test_targets
    (bounds,) = bootstrap_intervals(correct[None], groups=known.test_groups)
    return {
        "unit": BUDGET_UNITS[unit],
        "budget": f"{budget:.4g}",
        "cost": f"{choice.cost:.4g}",
        "val, cross-fitted": percent(choice.cross_fitted),
        "test": percent(float(correct.mean())),
        "95 %": interval(*bounds),
        "members": _names(known, choice),
    }


def _names(known: Known, choice: Choice) -> str:
    return " + ".join(known.facts[place]["label"] for place in choice.members)

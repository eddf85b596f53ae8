"""Train the members of a list, one after the other: `python benchmark.py train-queue --data DIR`.

Predictions, training histories and logits on the training images are left where `git add results` finds them; nothing
is searched, scored or drawn, which the next run does. It can be stopped at any moment and goes on from there; started
twice, with one thread each, it trains two members at once.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.options import add_options, switch
from benchmarks.formats import columns, duration

if TYPE_CHECKING:
    from benchmarks.execution.progress import NullProgress
    from benchmarks.execution.train_list import Entry, Turn
    from benchmarks.session import Options

PATIENCE = 2.0  # seconds between two looks at what others train
LIST = Path(__file__).resolve().parents[1] / "suites" / "train_queue.csv"


def arguments(parser: ArgumentParser) -> None:
    """Adds which list, and what trains."""
    parser.add_argument("--queue", metavar="FILE", type=Path, default=LIST, help="CSV of suite, member, seed, why")
    parser.add_argument("--status", **switch("say what is done and what is left, and train nothing"))
    add_options(parser, ("--data", "--results", "--time-budget", "--device", "--compile", "--quiet"))


def execute(arguments: Namespace) -> None:
    """Trains what is left of the list, or prints its state."""
    from benchmarks.execution import train_list
    from benchmarks.execution.progress import display
    from benchmarks.session import options_from

    if arguments.status and "time_budget" in vars(arguments):
        raise ValueError("--time-budget has no effect: --status trains nothing")
    options = replace(options_from(arguments), train="auto" if arguments.status else "missing")
    entries = train_list.read_list(arguments.queue)
    turns = [train_list.turn(entry, replace(options, train="auto", time_budget=None)) for entry in entries]
    if arguments.status:
        print(status(turns))
        return
    with display(arguments.quiet) as shown:
        train_all(entries, options, shown)
        shown.note(status([train_list.turn(entry, replace(options, train="auto")) for entry in entries]))


def train_all(entries: Sequence[Entry], options: Options, shown: NullProgress) -> None:
    """Trains what the entries lack, in their order; those whose teachers another process trains come after these."""
    from benchmarks.execution.train_list import awaits, turn

    deadline = None if options.time_budget is None else time.monotonic() + options.time_budget
    waiting = list(entries)
    while waiting:
        passed_over = []
        for entry in waiting:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left < 1:
                return
            next_one = turn(entry, replace(options, time_budget=left))
            if awaits(next_one, entries):
                passed_over.append(entry)
            else:
                train(next_one, shown)
        if len(passed_over) == len(waiting):
            time.sleep(PATIENCE)
        waiting = passed_over


def train(turn: Turn, shown: NullProgress) -> None:
    """Trains what an entry lacks, unless another process does; a failure is shown, and costs the others nothing."""
    from benchmarks.pipeline import train_missing

    if not turn.left:
        return
    with turn.claimed() as mine:
        if not mine:
            return
        turn.session.keep_targets()
        train_missing(turn.session, turn.tasks, shown)


def status(turns: list[Turn]) -> str:
    """A line an entry: done with its accuracy on val, in training elsewhere, begun, or waiting with its estimate."""
    rows = [
        {
            "suite": turn.entry.suite,
            "member": turn.entry.member,
            "seed": str(turn.entry.seed),
            "state": _state(turn),
            "estimate": duration(turn.seconds) if turn.left else "",
            "why": turn.entry.why,
        }
        for turn in turns
    ]
    left = [turn for turn in turns if turn.left]
    seconds = duration(sum(turn.seconds for turn in left))
    return "\n".join(
        [columns(rows), "", f"{len(turns) - len(left)} done, {len(left)} left, about {seconds} by estimate"]
    )


def _state(turn: Turn) -> str:
    if not turn.left:
        accuracies = [
            float((task.step.stored.val.argmax(1) == task.fold.targets.val).mean())
            for task in turn.tasks
            if task.step.stored is not None
        ]
        return f"done, val {100 * sum(accuracies) / len(accuracies):.2f} %"
    if turn.in_training:
        return "in training"
    return "begun" if turn.begun else "waiting"

"""Whose outputs the speed benchmarks combine: the members of a suite's committed store, or made-up ones of any size.

Real members agree far more than made-up ones, whose errors are independent but for the images' difficulty. That makes
some fits several times harder, and others easier: claims are made on the store alone.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation.row_classes import split_row_classes
from benchmarks.execution.tasks import complete_members, external_members, schedule
from benchmarks.session import ROOT, Options, Session
from benchmarks.speed.timing import made_up


@dataclass(frozen=True, eq=False)
class Members:
    """Logits `[M, N, C]` and targets `[N]` to fit on, and logits `[M, n, C]` to predict, whose labels nothing reads."""

    title: str  # who and how many
    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    unseen: NDArray[np.float32]

    @property
    def classes(self) -> int:
        return int(self.logits.shape[2])

    def half(self, second: bool) -> NDArray[np.bool_]:
        """Return every other sample: what is fitted on one half is scored on the other."""
        return np.arange(len(self.targets)) % 2 == int(second)


def add_members_options(parser: ArgumentParser) -> None:
    """Add `--suite`, `--results` and `--made-up`, for `read_members`."""
    parser.add_argument("--suite", default="fer2013", help="whose stored members (default: fer2013)")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    made = "members of these numbers in place of the store's"
    parser.add_argument("--made-up", type=int, nargs=3, metavar=("MEMBERS", "SAMPLES", "CLASSES"), help=made)


def read_members(options: Namespace, seed: int = 0) -> Members:
    """Return the members that were asked for; raise ValueError where the store has none."""
    if options.made_up:
        members, samples, classes = options.made_up
        logits, targets = made_up(members, 2 * samples, classes, seed)
        title = f"{members} made-up members, {samples:,} samples, {classes} classes"
        return Members(title, logits[:, :samples], targets[:samples], logits[:, samples:])
    session = Session(Options(suite=options.suite, results=options.results, train="never"))
    rows, _ = schedule(session)
    stored = {task.stem: task.step.stored for row in rows for task in row if task.step.stored is not None}
    everyone = complete_members(rows, stored, 1)[0] + external_members(session)[0][0]
    if not everyone:
        raise ValueError(f"{session.store.folder} has no predictions: give --results, or --made-up with three numbers")
    members, _ = split_row_classes(everyone, session.suite.extra_labels, session.folds[0].targets.val)
    targets, val = session.folds[0].targets.val, session.suite.split_names[1]
    return Members(
        f"the {len(members)} members of {options.suite}, {len(targets):,} images of {val}",
        np.stack([member.val for member in members]),
        targets,
        np.stack([member.test for member in members]),
    )

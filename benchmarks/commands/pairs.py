"""Compare how unlike members err, two by two, on val: `python benchmark.py pairs --members 'vgg*' 'resnet*'`.

An ensemble gains by members that err on other images. From the stored predictions, of every pair of the members named:
how their errors correlate, the accuracy of each, and that of the mean of both; the best pairs first. Test is not looked
at.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from itertools import combinations

import numpy as np

from benchmarks.commands.budget import stored_members
from benchmarks.commands.options import positive, suite_arguments
from benchmarks.evaluation.metrics import accuracy
from benchmarks.evaluation.models import member_labels
from benchmarks.formats import columns, percent
from benchmarks.session import Session, options_from
from ensembles import softmax
from ensembles.diversity import error_correlation


def arguments(parser: ArgumentParser) -> None:
    """Add which members, and how many pairs are shown."""
    parser.add_argument("--top", metavar="N", type=positive, default=20, help="pairs shown (default: 20)")
    suite_arguments(parser, "--members", "--seeds")


def execute(arguments: Namespace) -> None:
    """Print the pairs."""
    session = Session(replace(options_from(arguments), train="never"))
    members = stored_members(session)
    if len(members) < 2:
        raise ValueError(f"{session.suite.name} has predictions of {len(members)} such members: a pair needs two")
    targets = session.folds[0].targets.val
    rows = pairs(member_labels(members), np.stack([member.val for member in members]), targets)
    print(columns(rows[: arguments.top]))
    if len(rows) > arguments.top:
        print(f"the best {arguments.top} of {len(rows):,} pairs; --top shows more")


def pairs(labels: list[str], logits: np.ndarray, targets: np.ndarray) -> list[dict[str, str | None]]:
    """Return a row for each pair of members, the best mean first, from logits [M, N, C] and their targets [N]."""
    correct = logits.argmax(axis=2) == targets
    correlation, alone = error_correlation(correct), correct.mean(axis=1)
    probabilities = softmax(logits)
    found = []
    for first, second in combinations(range(len(labels)), 2):
        together = accuracy((probabilities[first] + probabilities[second]) / 2, targets)
        better, other = sorted((first, second), key=lambda place: -alone[place])
        row: dict[str, str | None] = {
            "better one": labels[better],
            "other one": labels[other],
            "correlation": f"{correlation[first, second]:.2f}",
            "better, %": percent(alone[better]),
            "other, %": percent(alone[other]),
            "mean, %": percent(together),
        }
        found.append((together, row))
    return [row for _, row in sorted(found, key=lambda one: -one[0])]

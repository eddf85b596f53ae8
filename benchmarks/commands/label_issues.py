"""List training images, the most doubtful labels first: `python benchmark.py label-issues --judges MEMBER --data DIR`.

The judges are members trained with folds, so no image is judged by a network that learnt its label (self-confidence,
arXiv:1911.00068). Where annotators' votes are at hand, their opinion stands beside; no image is written.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np

from benchmarks.commands.options import natural, suite_arguments
from benchmarks.data import Dataset
from benchmarks.files import csv_text, write_atomic
from benchmarks.session import Session, options_from
from benchmarks.store.train_logits import load_out_of_fold
from ensembles import softmax
from zoo import registry

COLUMNS = ("rank", "row", "given", "proposed", "confidence_in_given", "confidence_in_proposed", "votes")


def arguments(parser: ArgumentParser) -> None:
    """Add who judges, and what."""
    parser.add_argument(
        "--judges", metavar="MEMBER", nargs="+", action="extend", required=True, help="members trained with folds"
    )
    parser.add_argument("--seed", metavar="N", type=natural, default=0, help="of the judges (default: 0)")
    suite_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Write results/<suite>/label_issues.csv."""
    session = Session(options_from(arguments))
    judges = [registry.get(name).name for name in arguments.judges]
    with session.folds[0].images() as dataset:
        rows = ranked(dataset, judged(session, dataset, judges, arguments.seed))
    path = session.folder / "label_issues.csv"
    write_atomic(path, table(rows))
    print(f"{len(rows)} training images, the most doubtful labels first: {path}")


def judged(session: Session, dataset: Dataset, judges: list[str], seed: int) -> np.ndarray:
    """Mean out-of-fold probabilities [N,K] of the judges; raises ValueError where one has none."""
    shape = (len(dataset.train), len(dataset.classes))
    opinions = []
    for name in judges:
        logits = load_out_of_fold(session.store.folder, name, seed, dataset.fingerprint, shape)
        if logits is None:
            command = f"python benchmark.py {session.selection} --members {name} --set recipe.folds=5"
            raise ValueError(f"{name} has no out-of-fold predictions; make them with: {command} --train missing")
        opinions.append(softmax(logits.logits))
    return np.mean(opinions, axis=0)


def ranked(dataset: Dataset, probabilities: np.ndarray) -> list[dict[str, object]]:
    """A row an image, the most doubtful label first; `row` is the image's number in the training split's own order."""
    from zoo.training.soft_labels import self_confidence

    train, names = dataset.train, dataset.classes
    confidence, proposed = self_confidence(probabilities, train.targets), probabilities.argmax(axis=1)
    rows = []
    for rank, image in enumerate(np.argsort(confidence, kind="stable"), start=1):
        rows.append(
            {
                "rank": rank,
                "row": int(image if train.rows is None else train.rows[image]),
                "given": names[train.targets[image]],
                "proposed": names[proposed[image]],
                "confidence_in_given": f"{confidence[image]:.4f}",
                "confidence_in_proposed": f"{probabilities[image, proposed[image]]:.4f}",
                "votes": "" if train.votes is None else " ".join(f"{votes:g}" for votes in train.votes[image]),
            }
        )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """The rows as CSV."""
    return csv_text(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))

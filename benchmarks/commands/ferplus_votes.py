"""Store the votes of FER+ beside FER2013's predictions: `python benchmark.py ferplus-votes --data DIR`.

Ten people said what each image shows (arXiv:1608.01041, MIT licence). Their votes are lined up with the stored targets
by the rows of the original file, so that no image is needed, here or where the reports are rebuilt from the store.
Their licence lies beside the committed ones.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from benchmarks.commands.options import add_options
from benchmarks.data import DataOptions
from benchmarks.data.ferplus import reader as ferplus
from benchmarks.session import Session, options_from
from benchmarks.store.folds import stored_targets
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from benchmarks.store.votes import save_votes


def arguments(parser: ArgumentParser) -> None:
    """Add the suite, and where the votes are."""
    add_options(parser, ("--suite", "--data", "--results"))


def execute(arguments: Namespace) -> None:
    """Write results/<suite>/predictions/votes.<data>.safetensors."""
    options = options_from(arguments)
    session = Session(replace(options, data=DataOptions()))  # its own are those of the stored targets
    targets = _stored_targets(session.store)
    path = keep_votes(session.store.folder, targets, session.suite.split_names, options.data.path)
    print(f"Votes of {len(targets.val):,} and {len(targets.test):,} images: {path}")


def keep_votes(folder: Path, targets: Targets, split_names: tuple[str, str, str], data: Path | None) -> Path:
    """Write the votes of val and test into the store in `folder`; returns the file's path.

    Raises DataError where the table of votes is missing or does not line up with FER2013, and ValueError where the
    targets do not know the rows of the original file.
    """
    if targets.val_rows is None or targets.test_rows is None:
        raise ValueError(
            "the stored targets do not know the original order of rows; FER2013 as fer2013.csv or parquet does: "
            "run benchmark.py with --data DIR once, then this again"
        )
    table, usages = ferplus.votes_table(data)
    _, val, test = split_names
    rows = {"val": targets.val_rows, "test": targets.test_rows}
    for split, usage in (("val", val), ("test", test)):
        ferplus.check_rows(rows[split], usages, usage)
    votes = {split: table[rows[split]] for split in rows}
    for split, usage, labels in (("val", val, targets.val), ("test", test, targets.test)):
        ferplus.check_labels(votes[split], labels, targets.classes, usage)
    return save_votes(folder, targets, votes)


def _stored_targets(store: PredictionStore) -> Targets:
    found = stored_targets(store.folder)
    if found is None:
        raise ValueError(f"{store.folder}: holds no targets yet; run benchmark.py for this suite first")
    return found

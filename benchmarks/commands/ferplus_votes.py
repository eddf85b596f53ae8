"""The votes of FER+ beside the predictions of FER2013: `python -m benchmarks.commands.ferplus_votes --data DIR` keeps
them.

Ten people said what each image shows (arXiv:1608.01041, MIT licence). Their votes are lined up with the stored targets
by the rows of the original file, so that no image is needed, here or where the reports are rebuilt from the store.
Their licence lies beside the committed ones.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.data.ferplus import reader as ferplus
from benchmarks.session import Options, Session, usual_results
from benchmarks.store.folds import stored_targets
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from benchmarks.store.votes import save_votes


def keep_votes(folder: Path, targets: Targets, split_names: tuple[str, str, str], data: Path | None) -> Path:
    """Writes the votes of val and test into the store in `folder`; returns the file's path.

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
    return save_votes(folder, targets, votes)


def _stored_targets(store: PredictionStore) -> Targets:
    found = stored_targets(store.folder)
    if found is None:
        raise ValueError(f"{store.folder}: holds no targets yet; run benchmark.py for this suite first")
    return found


def main(argv: list[str] | None = None) -> int:
    """Writes results/<suite>/predictions/votes.<data>.safetensors; returns 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commands.ferplus_votes", description=__doc__)
    parser.add_argument("--suite", default="fer2013")
    parser.add_argument("--data", metavar="DIR", type=Path, help="where fer2013new.csv lies; default: the usual places")
    parser.add_argument("--results", metavar="DIR", type=Path, default=usual_results())
    arguments = parser.parse_args(argv)
    try:
        session = Session(Options(arguments.suite, results=arguments.results))
        targets = _stored_targets(session.store)
        path = keep_votes(session.store.folder, targets, session.suite.split_names, arguments.data)
    except (ValueError, OSError) as error:
        print(f"agreement: {error}", file=sys.stderr)
        return 2
    print(f"Votes of {len(targets.val):,} and {len(targets.test):,} images: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

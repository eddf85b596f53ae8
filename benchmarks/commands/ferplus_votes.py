"""The votes of FER+ beside the predictions of FER2013: `python -m benchmarks.commands.ferplus_votes --data DIR` keeps
them.

Ten people said what each image shows (arXiv:1608.01041, MIT licence). Their votes are lined up with the stored targets
by the rows of the original file, so that no image is needed, here or where the reports are rebuilt from the store.
Their licence lies beside the committed ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.data.ferplus import reader as ferplus
from benchmarks.data.ferplus.votes import ANSWERS
from benchmarks.files import replace_atomically
from benchmarks.session import Options, Session
from benchmarks.store.container import StoreError, packed, read_file
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets

SOURCE = "FER+, arXiv:1608.01041, https://github.com/microsoft/FERPlus, MIT License, (c) Microsoft Corporation"
COMMAND = "python -m benchmarks.commands.ferplus_votes --data DIR"


def kept_votes(folder: Path, targets: Targets) -> dict[str, np.ndarray] | None:
    """Votes int64 [N,10] of `val` and `test`, in the order of the targets, of the store in `folder`; None where it has
    none for this data.

    Raises StoreError where the file is damaged or of another number of images.
    """
    path = votes_path(folder, targets.fingerprint)
    if not path.exists():
        return None
    arrays, header = read_file(path)
    for split, count in (("val", len(targets.val)), ("test", len(targets.test))):
        found = arrays[split].shape if split in arrays else None
        if header.get("fingerprint") != targets.fingerprint or found != (count, len(ANSWERS)):
            raise StoreError(
                f"{path.name}: holds votes of {split} of shape {found}, not [{count}, {len(ANSWERS)}] for data "
                f"{targets.fingerprint}; write it anew: {COMMAND}"
            )
    return {split: votes.astype(np.int64) for split, votes in arrays.items()}


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


def save_votes(folder: Path, targets: Targets, votes: Mapping[str, np.ndarray]) -> Path:
    """Writes votes [N,10] of `val` and `test`, which line up with the targets, as uint8; returns the file's path."""
    tensors = {split: votes[split].astype(np.uint8, order="C") for split in ("val", "test")}
    path = votes_path(folder, targets.fingerprint)
    header = {"fingerprint": targets.fingerprint, "answers": list(ANSWERS), "source": SOURCE}
    replace_atomically(path, lambda draft: save_file(tensors, draft, packed(header)))
    return path


def votes_path(folder: Path, fingerprint: str) -> Path:
    """Where a store keeps the votes for the data of that fingerprint."""
    return folder / f"votes.{fingerprint[:12]}.safetensors"


def _stored_targets(store: PredictionStore) -> Targets:
    found = store.targets()
    if found is None:
        raise ValueError(f"{store.folder}: holds no targets yet; run benchmark.py for this suite first")
    return found


def main(argv: list[str] | None = None) -> int:
    """Writes results/<suite>/predictions/votes.<data>.safetensors; returns 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commands.ferplus_votes", description=__doc__)
    parser.add_argument("--suite", default="fer2013")
    parser.add_argument("--data", metavar="DIR", type=Path, help="where fer2013new.csv lies; default: the usual places")
    parser.add_argument("--results", metavar="DIR", type=Path, default=Options.results)
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

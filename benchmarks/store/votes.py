"""Annotators' votes beside the predictions: FER+ (arXiv:1608.01041), ten answers for each image of val and test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.data.ferplus.votes import ANSWERS
from benchmarks.results import VOTES_COMMAND
from benchmarks.store.container import Gone, StoreError, read_file, write_file
from benchmarks.store.headers import VotesHeader
from benchmarks.store.targets import Targets

SOURCE = "FER+, arXiv:1608.01041, https://github.com/microsoft/FERPlus, MIT License, (c) Microsoft Corporation"


def kept_votes(folder: Path, targets: Targets) -> dict[str, np.ndarray] | None:
    """Load votes int64 [N,10] of `val` and `test`, in the order of the targets, from a store's folder; None where there
    are none for this data.

    Raises StoreError where the file is damaged or of another number of images.
    """
    path = votes_path(folder, targets.fingerprint)
    try:
        arrays, header, _ = read_file(path, VotesHeader)
    except Gone:
        return None
    for split, count in (("val", len(targets.val)), ("test", len(targets.test))):
        shape = arrays[split].shape if split in arrays else None
        if header["fingerprint"] != targets.fingerprint or shape != (count, len(ANSWERS)):
            raise StoreError(
                f"{path.name}: holds votes of {split} of shape {shape}, not [{count}, {len(ANSWERS)}] for data "
                f"{targets.fingerprint}; write it anew: {VOTES_COMMAND}"
            )
        if not np.issubdtype(arrays[split].dtype, np.integer) or arrays[split].min() < 0:
            raise StoreError(f"{path.name}: {split} holds no counts of answers; write it anew: {VOTES_COMMAND}")
    return {split: arrays[split].astype(np.int64) for split in ("val", "test")}


def save_votes(folder: Path, targets: Targets, votes: Mapping[str, np.ndarray]) -> Path:
    """Write votes [N,10] of `val` and `test`, which line up with the targets, as uint8; return the file's path."""
    tensors = {split: votes[split].astype(np.uint8) for split in ("val", "test")}
    path = votes_path(folder, targets.fingerprint)
    header = {"fingerprint": targets.fingerprint, "answers": list(ANSWERS), "source": SOURCE}
    write_file(path, tensors, header)
    return path


def votes_path(folder: Path, fingerprint: str) -> Path:
    """Return where a store keeps the votes for the data of that fingerprint."""
    return folder / f"votes.{fingerprint[:12]}.safetensors"

"""Logits of members on the training images, beside their predictions: what teachers and judges say of the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.store.container import StoreError, read_file, write_file
from benchmarks.store.identity import Configuration

OUT_OF_FOLD = "out_of_fold"  # by networks that did not see the image


def save_out_of_fold(folder: Path, configuration: Configuration, logits: np.ndarray) -> None:
    """Keep logits [N, classes] of a member trained in folds, rounded to float16."""
    path = folder / f"{configuration.stem}.train.safetensors"
    write_file(path, {OUT_OF_FOLD: logits.astype(np.float16)}, {"configuration": configuration.facts()})


def load_out_of_fold(folder: Path, member: str, seed: int, data: str, shape: tuple[int, int]) -> np.ndarray | None:
    """Load logits float32 [N, classes] of a member, whatever its recipe; None where there are none.

    Raises StoreError where a file is damaged or several would serve.
    """
    fitting = {}
    for path in sorted(folder.glob(f"{member}.s{seed}.*.train.safetensors")):
        arrays, header = read_file(path)
        if header["configuration"]["data"] == data and arrays[OUT_OF_FOLD].shape == shape:
            fitting[path.name] = arrays[OUT_OF_FOLD].astype(np.float32)
    if len(fitting) > 1:
        raise StoreError(
            f"{member}, seed {seed}, has several out-of-fold predictions: {', '.join(fitting)}; keep one of them"
        )
    return next(iter(fitting.values()), None)

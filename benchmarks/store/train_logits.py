"""Logits of members on the training images, beside their predictions: what teachers teach and judges judge by.

A file `<stem>.train.safetensors` holds either logits of networks that did not see the image (out of fold), of a member
trained in folds, or those of the network that learnt from it (in sample), of any other. They are small enough to be
committed, so that a student can be trained where its teacher's weights are not at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.store.container import Gone, StoreError, read_file, write_file
from benchmarks.store.headers import TrainLogitsHeader
from benchmarks.store.identity import Configuration

OUT_OF_FOLD, IN_SAMPLE = "out_of_fold", "in_sample"
MOST_BYTES = 1_000_000
"""Larger ones do not belong into a repository: of 7 classes those of 71,000 images. FER2013's are 402 kB."""


@dataclass(frozen=True, eq=False)
class TrainLogits:
    """Logits float32 [N, classes] on the training images; of a network that learnt from them, the weights' digest."""

    logits: np.ndarray
    weights: str | None = None

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the logits as the store rounds them, and that of the weights where there is one."""
        logits = hashlib.sha256(np.ascontiguousarray(self.logits, dtype="<f2").tobytes()).hexdigest()
        return {"logits": logits} | ({} if self.weights is None else {"weights": self.weights})


def say_the_same(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Say whether two `digests` are of the same logits or weights: predicted anew, last digits of logits may differ."""
    return any(first.get(key) == second.get(key) is not None for key in ("logits", "weights"))


def train_logits_path(folder: Path, configuration: Configuration) -> Path:
    """Return where a member's logits on the training images lie."""
    return folder / f"{configuration.stem}.train.safetensors"


def committable(images: int, classes: int) -> bool:
    """Say whether logits of so many images, as float16, are small enough to be kept with the predictions."""
    return images * classes * np.dtype(np.float16).itemsize <= MOST_BYTES


def save_out_of_fold(folder: Path, configuration: Configuration, logits: np.ndarray) -> None:
    """Keep logits [N, classes] of a member trained in folds, rounded to float16."""
    _save(folder, configuration, OUT_OF_FOLD, logits, {})


def save_in_sample(folder: Path, configuration: Configuration, logits: np.ndarray, weights: str) -> TrainLogits:
    """Keep logits [N, classes] by weights of that digest, rounded to float16; return them as they are read again."""
    rounded = _save(folder, configuration, IN_SAMPLE, logits, {"weights": weights})
    return TrainLogits(rounded, weights)


def _save(
    folder: Path, configuration: Configuration, kind: str, logits: np.ndarray, about: Mapping[str, Any]
) -> np.ndarray:
    rounded = logits.astype(np.float16)
    header = {**about, "configuration": configuration.facts()}
    write_file(train_logits_path(folder, configuration), {kind: rounded}, header)
    return rounded.astype(np.float32)


def load_in_sample(folder: Path, configuration: Configuration, images: int) -> TrainLogits | None:
    """Load the logits of exactly this configuration on so many training images; None where there are none.

    Raises StoreError where the file is damaged or of another number of images.
    """
    path = train_logits_path(folder, configuration)
    try:
        arrays, header, _ = read_file(path, TrainLogitsHeader)
    except Gone:
        return None
    if IN_SAMPLE not in arrays:
        return None
    shape = (images, configuration.num_classes)
    if arrays[IN_SAMPLE].shape != shape:
        raise StoreError(f"{path.name}: holds logits of shape {arrays[IN_SAMPLE].shape}, not {shape}")
    return TrainLogits(_finite(path, arrays[IN_SAMPLE]), header.get("weights"))


def load_out_of_fold(folder: Path, member: str, seed: int, data: str, shape: tuple[int, int]) -> TrainLogits | None:
    """Load out-of-fold logits of a member, whatever its recipe; None where there are none.

    Raises StoreError where a file is damaged or several would serve.
    """
    fitting = {}
    for path in sorted(folder.glob(f"{member}.s{seed}.*.train.safetensors")):
        arrays, header, _ = read_file(path, TrainLogitsHeader)
        logits = arrays.get(OUT_OF_FOLD)
        if logits is not None and header["configuration"]["data"] == data and logits.shape == shape:
            fitting[path.name] = TrainLogits(_finite(path, logits))
    if len(fitting) > 1:
        raise StoreError(
            f"{member}, seed {seed}, has several out-of-fold predictions: {', '.join(fitting)}; keep one of them"
        )
    return next(iter(fitting.values()), None)


def _finite(path: Path, logits: np.ndarray) -> np.ndarray:
    if not np.isfinite(logits).all():
        raise StoreError(f"{path.name}: holds values that are no numbers; restore it, or remove it")
    return logits.astype(np.float32)

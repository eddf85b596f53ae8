"""What a file itself reaches: its probabilities on val and test, scored once, and how long a crop takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from benchmarks.evaluation.significance import bootstrap_intervals, mcnemar
from benchmarks.files import rounded
from benchmarks.provenance import device_name
from benchmarks.publish.check import Recogniser, in_batches
from benchmarks.publish.spec import crops_of
from benchmarks.publish.thresholds import Answers, Calibration, Sets, answers, sets
from benchmarks.results.analyses import QuantisedFile
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from zoo.sealed import Damaged, read, seal

RUNS = 30  # of one crop


class Measured(TypedDict):
    """How a file does: accuracies, what its thresholds and sets gave on test."""

    val_accuracy: float
    test_accuracy: float
    test_interval: list[float]
    answers: list[Answers]
    sets: Sets


class Pace(TypedDict):
    """The least time that one crop took, on one core."""

    milliseconds: float
    runs: int
    device: str


@dataclass(frozen=True, eq=False)
class Scored:
    """A file of so many bytes, what it said of val and test, and how well and how fast."""

    size: int
    probabilities: dict[str, np.ndarray]
    measured: Measured
    pace: Pace

    def beside(self, stored: str, row: Predictions, targets: Targets) -> QuantisedFile:
        """Compare it, whose weights are `stored` in some way, with the predictions of its row in float32."""
        said, before = self.probabilities["test"].argmax(axis=1), row.test.argmax(axis=1)
        return QuantisedFile(
            stored=stored,
            bytes=self.size,
            val_accuracy=self.measured["val_accuracy"],
            test_accuracy=self.measured["test_accuracy"],
            test_interval=self.measured["test_interval"],
            same_class=rounded(float((said == before).mean())),
            p=rounded(mcnemar(said == targets.test, before == targets.test)),
            milliseconds=self.pace["milliseconds"],
            device=self.pace["device"],
        )


def predicted(recognise: Recogniser, val: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Return a file's probabilities float32 [N, classes] of stored images, uint8 [N,C,H,W], by split."""
    return {
        split: in_batches(recognise, crops_of(images)).astype(np.float32)
        for split, images in (("val", val), ("test", test))
    }


def measured(probabilities: dict[str, np.ndarray], targets: Targets, calibration: Calibration) -> Measured:
    """Score a file by its probabilities, which are calibrated."""
    val, test = probabilities["val"], probabilities["test"]
    right = test.argmax(axis=1) == targets.test
    (interval,) = bootstrap_intervals(right[None], groups=targets.test_groups)
    return Measured(
        val_accuracy=rounded(float((val.argmax(axis=1) == targets.val).mean())),
        test_accuracy=rounded(float(right.mean())),
        test_interval=rounded(interval.tolist()),
        answers=rounded(answers(test, targets.test, calibration)),
        sets=rounded(sets(test, targets.test, calibration)),
    )


def pace(recognise: Recogniser, size: int) -> Pace:
    """Time a file that runs in one thread."""
    crop, times = np.zeros((1, size, size, 3), dtype=np.uint8), []
    for _ in range(RUNS):
        began = time.perf_counter()
        recognise(crop)
        times.append(time.perf_counter() - began)
    return Pace(milliseconds=float(f"{1000 * min(times):.2g}"), runs=RUNS, device=device_name("cpu"))


def save_probabilities(path: Path, probabilities: dict[str, np.ndarray]) -> None:
    """Keep what a file said, so that every number about it can be computed again without images."""
    path.write_bytes(seal(save({split: np.ascontiguousarray(array) for split, array in probabilities.items()})))


def load_probabilities(path: Path) -> dict[str, np.ndarray]:
    """Read what `save_probabilities` wrote; raise ValueError where it is damaged."""
    try:
        found: dict[str, np.ndarray] = load(read(path, always_sealed=True).content)
    except (Damaged, SafetensorError, ValueError, OSError) as error:
        raise Damaged(f"{path} is damaged or no safetensors file ({error})") from error
    return found

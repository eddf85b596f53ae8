"""The images that another suite's members were trained on, and which test images here stand among them.

What was trained on a test image is no test of it. The other suite's images are known by their fingerprint alone: those
found elsewhere under its name prove nothing.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from benchmarks import suites
from benchmarks.data import DataError, DataOptions
from benchmarks.data.fingerprint import also_in
from benchmarks.results import read_results


def overlap_note(source: str, fingerprint: str, results: Path, here: DataOptions, test_images: np.ndarray) -> str:
    """Say how many of the test images uint8 [N,C,H,W] stand in the training split of another suite's data; empty where
    none does.

    `source` is a suite, or what a folder's results are called in the folder `results`; `here` says where this suite's
    data lies. Raises ValueError where most do: what members trained on them say of these images is no test.
    """
    known = training_images(source, fingerprint, results, here)
    if known is None:
        return (
            f"Whether test images stand in the training split of {source} is not known here: the images that its "
            "members were trained on are not in their usual place."
        )
    seen = also_in(test_images, known)
    counted = f"{seen.sum():,} of {len(seen):,} test images stand in the training split of {source}."
    if seen.mean() > 0.5:
        raise ValueError(f"{counted} Nothing can be learnt from that.")
    return counted if seen.any() else ""


def training_images(source: str, fingerprint: str, results: Path, here: DataOptions) -> np.ndarray | None:
    """Find the training images uint8 [N,C,H,W] of another suite's data, or of a folder's, by the data's fingerprint: in
    its usual places, in the folder that its results name, or where this suite's data lies; None elsewhere."""
    kept = results / source / "results.json"
    if source in suites.suites():
        suite, places = suites.get(source), [DataOptions(), DataOptions(here.path)]
    elif kept.is_file():
        words = shlex.split(read_results(kept).get("selection", ""))
        flags = dict(zip(words[::2], words[1::2], strict=False))
        suite, places = suites.get(flags.get("--suite", "folder")), [DataOptions.from_flags(flags)]
    else:
        return None
    for options in dict.fromkeys(places):
        try:
            dataset = suite.read(options)
        except DataError:
            continue
        if dataset.fingerprint == fingerprint:
            return dataset.train.images
    return None

"""scikit-learn's bundled digits: the whole chain, trained from nothing in seconds, with nothing to download."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import Dataset
from benchmarks.suites.suite import Suite


def load(data_dir: Path | None) -> Dataset:
    """A fixed stratified split of the 1,797 images; `data_dir` is not used."""
    from benchmarks.data import digits

    return digits.load(data_dir)


SUITE = Suite(
    name="digits",
    title="Digits",
    summary="8x8 handwritten digits of scikit-learn, 10 classes; a rehearsal of the whole chain in under a minute",
    split_names=("train", "val", "test"),
    members=("linear", "mlp", "lenet", "resnet_digits"),
    load=load,
    rehearsal=True,
)

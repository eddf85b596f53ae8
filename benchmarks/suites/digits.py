"""scikit-learn's bundled digits: the whole chain, trained from nothing in seconds, with nothing to download."""

from __future__ import annotations

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import Suite


def load(options: DataOptions) -> Dataset:
    """Load a fixed stratified split of the 1,797 images; no option matters."""
    from benchmarks.data import digits

    return digits.load(options.path)


SUITES = (
    Suite(
        name="digits",
        title="Digits",
        summary="8x8 handwritten digits of scikit-learn, 10 classes; a rehearsal of the whole chain in under a minute",
        split_names=("train", "val", "test"),
        members=("linear", "mlp", "lenet", "resnet_digits"),
        load=load,
        channels=1,
        packaged="scikit-learn",
        rehearsal=True,
    ),
)

"""RAF-DB (doi:10.1109/CVPR.2017.277), basic expressions: the official test images, and validation out of training."""

from __future__ import annotations

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import Suite


def load(options: DataOptions) -> Dataset:
    """Load the official splits, a tenth of training held out for validation; raise DataError."""
    from benchmarks.data import rafdb

    return rafdb.load(options)


SUITES = (
    Suite(
        name="rafdb",
        title="RAF-DB",
        summary="100x100 colour faces, 7 expressions; official test split, val held out of training by --split-seed",
        split_names=("train, nine tenths", "train, one tenth", "RAF-DB test"),
        members=("vgg_fer", "resnet_fer", "five_layer_cnn", "mini_xception"),
        load=load,
        options=("side", "seed"),
        leak_above=0.94,  # FMAE has 93.45 (arXiv:2407.11243), the most that nothing is known against
        restricted=True,
        published="rafdb",
    ),
)

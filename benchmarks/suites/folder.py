"""Anyone's images: a folder for each class. Results are called after the folder: results/folder-<name>-<hash>/."""

from __future__ import annotations

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import Suite

LEAST_IMAGES = 100_000  # 30 epochs of 981 images are 230 steps, in which networks learn nothing


def load(options: DataOptions) -> Dataset:
    """Load the images of `--data`; raise DataError."""
    from benchmarks.data.folder import reader as folder  # decoders are not needed to list suites

    return folder.load(options)


SUITES = (
    Suite(
        name="folder",
        title="Folder",
        summary="your own images: --data DIR with DIR/<class>/, or DIR/train/<class>/ and the like",
        split_names=("train", "val", "test"),
        members=("vgg_fer", "resnet_fer", "resnet10t", "five_layer_cnn", "mini_xception"),
        load=load,
        least_images=LEAST_IMAGES,
        options=("side", "groups", "seed"),
        own=True,
    ),
)

"""FER2013 (arXiv:1307.0414): 48x48 grey faces, seven expressions, the split of the 2013 challenge."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import Dataset
from benchmarks.suites.suite import Suite


def load(data_dir: Path | None) -> Dataset:
    """The official splits; raises DataError."""
    from benchmarks.data import fer2013  # decoders are not needed to list suites

    return fer2013.load(data_dir)


def download(folder: Path) -> Path:
    """Fetches the original CSV with kagglehub; raises DataError."""
    from benchmarks.data import fer2013

    return fer2013.download(folder)


SUITE = Suite(
    name="fer2013",
    title="FER2013",
    summary="48x48 grey faces, 7 expressions; trained on Training, chosen on PublicTest, scored on PrivateTest",
    split_names=("Training", "PublicTest", "PrivateTest"),
    members=(
        "vgg_fer",
        "resnet_fer",
        "resnet10t",
        "resnet18",
        "five_layer_cnn",
        "convnext_atto",
        "mobilenetv4_conv_small",
        "regnetx_002",
        "mini_xception",
    ),
    load=load,
    download=download,
    published=True,
)

"""FER2013 (arXiv:1307.0414): 48x48 grey faces, seven expressions, the split of the 2013 challenge; and what is made of
it: balanced classes, three of the classes, and a test split without images that training has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import ExtraLabels, Suite


def load(options: DataOptions) -> Dataset:
    """Load the official splits; raise DataError."""
    from benchmarks.data.fer2013 import reader as fer2013  # decoders are not needed to list suites

    return fer2013.load(options.path)


def balanced(options: DataOptions) -> Dataset:
    """Load as many training images of every class as disgust has; raise DataError."""
    from benchmarks.data.derive import downsampled

    return downsampled(load(options))


def three_classes(options: DataOptions) -> Dataset:
    """Load happy, sad and neutral alone; raise DataError."""
    from benchmarks.data.derive import of_classes

    return of_classes(load(options), ("happy", "sad", "neutral"))


def without_duplicates(options: DataOptions) -> Dataset:
    """Load the official splits without test images whose pixels also stand in Training; raise DataError."""
    from benchmarks.data.derive import deduplicated

    return deduplicated(load(options))


def without_near_copies(options: DataOptions) -> Dataset:
    """Load the official splits without test images whose photograph also stands in Training; raise DataError."""
    from benchmarks.data.derive import deduplicated

    return deduplicated(load(options), near=True)


def votes(dataset: Dataset, options: DataOptions) -> Dataset:
    """Add the votes of FER+ for the training images; raise DataError."""
    from benchmarks.data.ferplus import reader as ferplus

    return ferplus.with_votes(dataset, options.path)


def download(folder: Path) -> Path:
    """Fetch the original CSV with kagglehub; raise DataError."""
    from benchmarks.data.fer2013 import reader as fer2013

    return fer2013.download(folder)


FER2013 = Suite(
    name="fer2013",
    title="FER2013",
    summary="48x48 grey faces, 7 expressions; trained on Training, chosen on PublicTest, scored on PrivateTest",
    split_names=("Training", "PublicTest", "PrivateTest"),
    members=(
        "vgg_fer",
        "vgg_fer_wide",
        "vgg_fer_wide@scale_tta",
        "vgg_fer@muon",
        "vgg_fer@muon@long",
        "vgg_fer@muon@long@scale_tta",
        "vgg_fer@muon@reborn@long",
        "vgg_fer@muon@reborn@long@scale_tta",
        "vgg_fer@muon@taught",
        "vgg_fer@muon@taught@equalised",
        "vgg_fer@muon@standardised",
        "vgg_fer@muon@geometric",
        "vgg_fer@muon@mixup",
        "vgg_fer@muon@sharp",
        "vgg_fer@muon@snapshots",
        "vgg_fer@muon@symmetric",
        "vgg_fer@muon@votes",
        "resnet_fer",
        "resnet_fer@muon@taught",
        "resnet_fer@muon@taught@scale_tta",
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
    extra_labels=ExtraLabels("FER+ votes", votes),
    channels=1,
    origin="pictures found by a search engine in 2013, labelled by few people",
    leak_above=0.77,  # EmoNeXt-XL has 76.12 (arXiv:2501.08199), an ensemble picked on test 76.82
    human_accuracy=(0.60, 0.70),  # 65 ± 5 % (arXiv:1307.0414)
    published="fer2013",
    summary_page=True,
)
SMALL = replace(
    FER2013, members=("vgg_fer", "resnet_fer", "five_layer_cnn", "mini_xception"), published="", summary_page=False
)
SUITES = (
    FER2013,
    replace(
        SMALL,
        name="fer2013-balanced",
        title="FER2013, classes balanced by leaving out",
        summary="FER2013 with 436 training images of every class; official val and test",
        split_names=("Training, balanced", "PublicTest", "PrivateTest"),
        load=balanced,
    ),
    replace(
        SMALL,
        name="fer2013-oversampled",
        title="FER2013, classes balanced by repetition",
        summary="FER2013 with training images repeated until every class has 7,215; official val and test",
        split_names=("Training, repeated", "PublicTest", "PrivateTest"),
        changes=("recipe.oversample=random",),
    ),
    replace(
        SMALL,
        name="fer2013-smote",
        title="FER2013, classes balanced by SMOTE",
        summary="FER2013 with training images interpolated until every class has 7,215; official val and test",
        split_names=("Training, SMOTE", "PublicTest", "PrivateTest"),
        changes=("recipe.oversample=smote",),
    ),
    replace(
        SMALL,
        name="fer2013-3class",
        title="FER2013, three classes",
        summary="FER2013's happy, sad and neutral images alone",
        load=three_classes,
        leak_above=None,  # of seven classes; three are easier
        human_accuracy=None,
    ),
    replace(
        SMALL,
        name="fer2013-dedup",
        title="FER2013 without duplicates in test",
        summary="FER2013 without the test images that also stand in training; removed.csv lists them",
        split_names=("Training", "PublicTest", "PrivateTest without duplicates"),
        load=without_duplicates,
    ),
    replace(
        SMALL,
        name="fer2013-dedup-near",
        title="FER2013 without near copies in test",
        summary="FER2013 without the test images whose photograph also stands in training; removed.csv lists them",
        split_names=("Training", "PublicTest", "PrivateTest without near copies"),
        load=without_near_copies,
    ),
)

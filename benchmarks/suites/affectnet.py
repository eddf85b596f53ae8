"""AffectNet (arXiv:1708.03985): expression, valence and arousal of 290,000 faces from the web, by three protocols.

Members learn both tasks on one backbone, with the weights 1, 0.3 and 0.3. There is no public test split: papers report
the official validation images, on which most of them chose their epochs as well.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import Suite

MEMBERS = ("vgg_fer", "resnet_fer", "efficientnet_b0", "resnet50")
BOTH_TASKS = ("recipe.affect=true",)
LEAK_ABOVE = {8: 0.69, 7: 0.69}
"""Most by a known protocol: of 8 classes Norface, 68.69 (arXiv:2407.15617), of 7 QCS, 67.94 (arXiv:2411.01988)."""
OPTIONS = ("side", "seed")


def official(options: DataOptions, *, classes: int) -> Dataset:
    """Load the official validation images as test, with val cut off the training images; raise DataError."""
    from benchmarks.data.affectnet import reader as affectnet

    return affectnet.official(options, classes)


def validation_alone(options: DataOptions) -> Dataset:
    """Load the official validation images alone, cut 80/10/10; raise DataError."""
    from benchmarks.data.affectnet import reader as affectnet

    return affectnet.validation_alone(options)


def download(folder: Path) -> Path:
    """Raise DataError with the way to the data: it is given on request alone."""
    from benchmarks.data.affectnet import reader as affectnet

    return affectnet.refuse_download(folder)


def _official(classes: int, expressions: str) -> Suite:
    return Suite(
        name=f"affectnet{classes}",
        title=f"AffectNet, {classes} classes",
        summary=f"faces from the web, {expressions}, valence and arousal; val is cut off the training images by seed, "
        "and the official validation images are scored once, as test",
        split_names=("Training", "Training (held out)", "Validation (official)"),
        members=MEMBERS,
        load=partial(official, classes=classes),
        download=download,
        changes=(*BOTH_TASKS, "recipe.sampling=balanced"),  # training images are of 36 times as many happy as contempt
        options=OPTIONS,
        leak_above=LEAK_ABOVE[classes],
        restricted=True,
        published=f"affectnet{classes}",
    )


SUITES = (
    _official(8, "8 expressions"),
    _official(7, "7 expressions (no contempt)"),
    Suite(
        name="affectnet8-3999",
        title="AffectNet, its 3,999 validation images alone",
        summary="the official validation images (3,999 in most copies) cut 80/10/10 by seed; trained on 3,200 images, "
        "so not comparable with papers' 60 %, which train on 287,651",
        split_names=("Validation (80 %)", "Validation (10 %, val)", "Validation (10 %, test)"),
        members=("efficientnet_b0_imagenet", "resnet50_imagenet", "efficientnet_lite0_imagenet", "vgg_fer"),
        load=validation_alone,
        download=download,
        changes=BOTH_TASKS,
        options=OPTIONS,
        restricted=True,
        published="affectnet8-3999",
    ),
)

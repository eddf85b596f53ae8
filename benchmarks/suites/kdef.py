"""KDEF: photographs of 70 people, seven expressions, by two protocols that must not be mixed up.

`kdef` tests on people that training has never seen: five folds by person, every image in the test part of one.
`kdef-random` is the random split of the literature, with every person's face on both sides. 94.49 % are reported on
such a split, whose 980 images both chose the epoch and were reported; here they are for the test alone.
"""

from __future__ import annotations

from functools import partial

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import Contrast, Suite

FOLDS = 5
MEMBERS = (
    "densenet121_imagenet@paper",
    "vgg_fer",
    "resnet_fer",
    "five_layer_cnn",
    "mini_xception",
)
DIFFERENCE = (
    "A random split has every person's face in training and in test, so that a network may know a test image by the "
    "person, whose other session, angles and expressions it was trained on; folds by person test on new faces. "
    "Accuracies of the two protocols do not compare."
)


def load_fold(options: DataOptions, fold: int) -> Dataset:
    """Load one fifth of the people as test, the next as validation, the others as training; raise DataError."""
    from benchmarks.data import kdef

    return kdef.fold(options, fold)


def load_random(options: DataOptions) -> Dataset:
    """Load 3,430, 490 and 980 images, stratified by class, whoever is on them; raise DataError."""
    from benchmarks.data import kdef

    return kdef.random_split(options)


PARTS = tuple(partial(load_fold, fold=fold) for fold in range(FOLDS))
SUITES = (
    Suite(
        name="kdef",
        title="KDEF, by person",
        summary="4,900 photographs of 70 people, 7 expressions; 5 folds by person: every test face is new",
        split_names=("Training people", "Validation people", "New people (5 folds)"),
        members=MEMBERS,
        load=PARTS[0],
        folds=PARTS,
        unit="people",
        options=("side", "seed"),
        restricted=True,
        published="kdef",
        contrast=Contrast("kdef-random", DIFFERENCE),
    ),
    Suite(
        name="kdef-random",
        title="KDEF, random split",
        summary="the same, 80/20 at random: the same faces on both sides; val held out of the 80, test chooses nothing",
        split_names=("Training images", "Validation images", "Random 20 % (known faces)"),
        members=MEMBERS,
        load=load_random,
        unit="people",
        options=("side", "seed"),
        restricted=True,
        published="kdef",
        contrast=Contrast("kdef", DIFFERENCE),
    ),
)

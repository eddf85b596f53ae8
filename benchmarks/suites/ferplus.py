"""FER+ (arXiv:1608.01041): the images of FER2013 with ten votes each, eight expressions.

Test sets of three sizes are in use, because each rule of the paper drops other images. `ferplus` follows the paper's
own protocol: whatever the training split learns from, val and test are those of the majority rule.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.data import DataOptions, Dataset
from benchmarks.suites.suite import Suite

MEMBERS = ("vgg_fer", "vgg_fer@scale_tta", "resnet_fer", "resnet_fer@scale_tta", "five_layer_cnn", "mini_xception")


def load(options: DataOptions, *, training: str, evaluation: str) -> Dataset:
    """Load the official splits, labelled by a rule of the paper; raise DataError."""
    from benchmarks.data.ferplus import reader as ferplus

    return ferplus.load(options.path, training=training, evaluation=evaluation)


def download(folder: Path) -> Path:
    """Fetch FER2013 with kagglehub and the votes from their repository; raise DataError."""
    from benchmarks.data.ferplus import reader as ferplus

    return ferplus.download(folder)


def _suite(name: str, mode: str, evaluation: str, learns: str, changes: tuple[str, ...]) -> Suite:
    return Suite(
        name=name,
        title=f"FER+ ({evaluation} rule)" if name == "ferplus" else f"FER+ ({mode} rule throughout)",
        summary=f"FER2013's images, 8 expressions; {learns}; scored by the {evaluation} rule",
        split_names=(f"Training ({mode})", f"PublicTest ({evaluation})", f"PrivateTest ({evaluation})"),
        members=MEMBERS,
        load=partial(load, training=mode, evaluation=evaluation),
        download=download,
        changes=changes,
        channels=1,
        leak_above=0.94 if evaluation == "majority" else None,  # GReFEL has 93.09 (arXiv:2410.15927)
        origin="pictures found by a search engine in 2013, each labelled by ten people",
        published="ferplus" if evaluation == "majority" else "",
    )


VOTES = ("recipe.labels.votes=true",)
SUITES = (
    _suite("ferplus", "crossentropy", "majority", "trained on the shares of the votes", VOTES),
    _suite("ferplus-majority", "majority", "majority", "trained on the commonest class alone", ()),
    _suite(
        "ferplus-probability",
        "probability",
        "probability",
        "trained on a class drawn by the votes at each visit",
        (*VOTES, "recipe.labels.draw=true"),
    ),
    _suite("ferplus-crossentropy", "crossentropy", "crossentropy", "trained on the shares of the votes", VOTES),
    _suite(
        "ferplus-multitarget",
        "multitarget",
        "multitarget",
        "trained to give any class with 30 % of the votes",
        (*VOTES, "recipe.loss.kind=multi_target"),
    ),
)

"""Settings without effect: which they are, by training with and without them, and that they identify nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.store.container import read_header
from benchmarks.store.file_names import prediction_files
from benchmarks.store.identity import Configuration, identity_from
from tests.helpers.runs import ROOT
from zoo import registry
from zoo.effective import RULES, effective, without_effect
from zoo.errors import ChangesNothing
from zoo.member import Member
from zoo.overrides import override, settings
from zoo.recipes import Recipe
from zoo.training.job import PeerPredictions, Splits, TrainContext, TrainJob
from zoo.training.loop import Trained, train

torch.set_num_threads(1)

ALWAYS = {
    "": (
        "image_size", "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "l1", "dropout", "sam",
        "lookahead", "accumulate", "schedule", "warmup", "clip_norm", "average", "sampling", "oversample",
        "epoch_images", "folds", "soup", "affect", "preprocess", "normalise", "crop_ratio", "bf16_on_cpu",
    ),
    "augment": (
        "flip", "shift", "rotation", "scale", "contrast", "brightness", "erase", "shear", "crop", "vertical_flip",
    ),
    "loss": ("kind", "class_weights"),
    "transfer": ("head_epochs", "backbone", "layer_decay", "freeze_norm", "unfreeze_epochs"),
    "labels": ("votes", "votes_weight", "clean", "annotator"),
}  # fmt: skip
"""Settings that count whatever the others are, by group."""
OF_SOME_NETWORKS = [f"loss.{term}" for term in ("auxiliary", "regulariser", "valence", "arousal", "affect")]


def test_every_setting_was_thought_of():
    """A new option is put into one of these lists, or gets a rule: what may switch it off?"""
    ruled = [setting for rule in RULES for setting in rule.settings]
    always = [f"{group}.{name}".lstrip(".") for group, names in ALWAYS.items() for name in names]
    known = {name.removeprefix("recipe.") for name in settings()}
    assert known == {*always, *OF_SOME_NETWORKS, *ruled}
    assert len(known) == len(always) + len(OF_SOME_NETWORKS) + len(ruled)


@dataclass(frozen=True, eq=False)
class Images:
    """Some images, as training takes them."""

    images: np.ndarray
    targets: np.ndarray
    votes: None = None
    affect: None = None
    groups: None = None


def dense(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """One layer on means of 4 x 4 pixels, whatever the image size."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(in_chans * 16, num_classes))


PLAIN = Recipe(epochs=4, batch_size=16, learning_rate=0.05, tta="none", bf16_on_cpu=False)
SMALL = Member("small", f"{__name__}:dense", PLAIN, 16, "scratch", "", "")


def learned(member: Member, channels: int, folder: Path) -> Trained:
    rng = np.random.default_rng(0)
    targets = rng.permutation(np.arange(96) % 3)
    shades = 40 * rng.normal(size=(96, channels, 16, 16)) + 60 * (1 + targets[:, None, None, None])
    images = shades.clip(0, 255).astype(np.uint8)
    parts = Splits(Images(images[:64], targets[:64]), Images(images[64:], targets[64:]))
    peers = PeerPredictions(*rng.dirichlet(np.ones(3), size=(2, 64)).astype(np.float32))
    for stale in folder.glob("*.pt"):
        stale.unlink()
    return train(TrainJob(member, parts, 3, peers=peers), TrainContext(folder))


def numbers(found: Trained) -> tuple[Any, ...]:
    """All that a training leaves, but for times."""
    rows = [[value for key, value in row.items() if "seconds" not in key and "per" not in key] for row in found.history]
    return rows, [value.tolist() for value in found.weights.values()]


SLOW = ("recipe.lr=1e-7",)  # val accuracy stays where it is
LABELS = ("recipe.labels.teacher=vgg_fer",)
CLEANED = ("recipe.labels.judge=vgg_fer", "recipe.labels.clean=0.3")
CASES: list[tuple[str, tuple[str, ...], tuple[str, ...] | None]] = [
    # a setting, what switches it off, and what switches it on
    ("recipe.momentum=0.5", ("recipe.optimizer=adamw",), ()),
    ("recipe.decay=0.5", (), ("recipe.schedule=exponential",)),
    ("recipe.step_epochs=1", (), ("recipe.schedule=step",)),
    ("recipe.patience=1", SLOW, ("recipe.schedule=plateau", *SLOW)),
    ("recipe.cycles=2", (), ("recipe.schedule=warm_restarts", "recipe.warmup=0")),
    ("recipe.stop_after=3", SLOW, ("recipe.epochs=6", *SLOW)),
    ("recipe.ema_decay=0.5", ("recipe.average=none",), ()),
    ("recipe.swa_start=0.1", (), ("recipe.average=swa",)),
    ("recipe.ingredients=2", (), None),
    ("recipe.mixup=0.4", ("recipe.mix_probability=0",), ()),
    ("recipe.cutmix=1", ("recipe.mix_probability=0", "recipe.labels.draw=true"), ()),
    ("recipe.mix_probability=0.5", (), ("recipe.mixup=0.4",)),
    ("recipe.labels.teacher=vgg_fer", ("recipe.labels.teacher_weight=0",), ()),
    ("recipe.labels.teacher_weight=0.9", (), LABELS),
    ("recipe.labels.temperature=4", (), LABELS),
    ("recipe.labels.temperature=4", ("recipe.labels.teacher_weight=0", *LABELS), LABELS),
    ("recipe.labels.judge=vgg_fer", (), None),
    ("recipe.labels.pseudo=0.3", (), CLEANED),
    ("recipe.labels.sure=0.5", (), None),
    ("recipe.labels.draw=true", (), LABELS),
    ("recipe.labels.draw=true", ("recipe.mixup=0.4", "recipe.mix_probability=0"), ("recipe.mixup=0.4",)),
    ("recipe.loss.epsilon=1", (), ("recipe.loss.kind=poly",)),
    ("recipe.loss.gamma=1", (), ("recipe.loss.kind=focal",)),
    ("recipe.loss.alpha=1", ("recipe.loss.kind=poly",), ("recipe.loss.kind=symmetric",)),
    ("recipe.loss.beta=0.5", (), ("recipe.loss.kind=symmetric",)),
    ("recipe.loss.q=0.3", (), ("recipe.loss.kind=generalised",)),
    ("recipe.loss.label_smoothing=0", ("recipe.loss.kind=multi_target",), ()),
    ("recipe.start_size=0.5", ("image_size=8",), ()),
    ("recipe.trees.rounds=9", (), None),
]


@pytest.mark.parametrize(("setting", "off", "on"), CASES)
def test_a_setting_that_is_switched_off_changes_no_number_and_one_that_is_on_does(
    setting: str, off: tuple[str, ...], on: tuple[str, ...] | None, tmp_path: Path
):
    without, given = override(SMALL, off), override(SMALL, [*off, setting])
    assert setting.partition("=")[0] in without_effect(given) and effective(given) == effective(without)
    assert numbers(learned(without, 1, tmp_path)) == numbers(learned(given, 1, tmp_path))
    if on is not None:
        without, given = override(SMALL, on), override(SMALL, [*on, setting])
        assert without_effect(given) == {} and effective(given) == given
        assert numbers(learned(without, 1, tmp_path)) != numbers(learned(given, 1, tmp_path))


@pytest.mark.parametrize("setting", ["recipe.augment.grayscale=0.5", "recipe.augment.saturation=0.5"])
def test_colours_of_grey_images_cannot_be_changed(setting: str, tmp_path: Path):
    given = override(SMALL, [setting])
    assert without_effect(given, channels=1) == {setting.partition("=")[0]: "the images are grey already"}
    assert numbers(learned(SMALL, 1, tmp_path)) == numbers(learned(given, 1, tmp_path))
    assert without_effect(given, channels=3) == without_effect(given) == {}
    assert numbers(learned(SMALL, 3, tmp_path)) != numbers(learned(given, 3, tmp_path))


def test_what_one_reset_switches_off_is_reset_too():
    given = override(SMALL, ["recipe.labels.teacher=vgg_fer", "recipe.labels.teacher_weight=0",
                             "recipe.labels.temperature=5", "recipe.labels.draw=true"])  # fmt: skip
    assert effective(given) == SMALL == effective(effective(given))
    assert len(without_effect(given)) == 4


def test_settings_of_trees_count_for_trees_alone_and_views_do_not():
    trees = registry.get("efficientnet_b0_xgboost")
    assert without_effect(override(trees, ["recipe.trees.depth=3"])) == {}
    with pytest.raises(
        ChangesNothing, match=r"efficientnet_b0_xgboost@scale_tta is efficientnet_b0_xgboost, .*tta has"
    ):
        registry.get("efficientnet_b0_xgboost@scale_tta")
    with pytest.raises(ChangesNothing, match="these are its settings already"):
        registry.get("vgg_fer@sharp@sharp")


def test_members_with_the_same_numbers_share_one_configuration():
    member = registry.get("vgg_fer")
    plain = Configuration(member, 0, "f" * 32, 7, channels=1)
    for change in ("recipe.labels.temperature=5", "recipe.augment.grayscale=0.2", "recipe.loss.gamma=3"):
        twin = Configuration(override(member, [change]), 0, "f" * 32, 7, channels=1)
        assert (twin.hash, twin.facts(), twin.described()) == (plain.hash, plain.facts(), plain.described())
    colour = Configuration(override(member, ["recipe.augment.grayscale=0.2"]), 0, "f" * 32, 7, channels=3)
    assert colour.hash != plain.hash
    assert Configuration(override(member, ["recipe.epochs=2"]), 0, "f" * 32, 7).hash != plain.hash


@pytest.mark.parametrize("suite", ["fer2013", "ferplus"])
def test_no_committed_prediction_is_of_another_configuration_than_it_was(suite: str):
    files = prediction_files(ROOT / "results" / suite / "predictions")
    if not files:
        pytest.skip("no results are committed")
    for path in files:
        facts = read_header(path)["configuration"]
        identity = identity_from(facts)
        assert identity.stem == path.stem
        if isinstance(identity, Configuration):
            recipe = Recipe.from_dict(facts["recipe"])
            assert asdict(identity.member.recipe) == asdict(recipe)
            assert replace(identity, channels=1).stem == path.stem

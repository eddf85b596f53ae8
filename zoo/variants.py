"""A member with one thing changed, as `member@variant`: for ablations, and for members that differ in kind.

A variant is a few settings on top of the member's own recipe, as the command line takes them (zoo/overrides.py). Its
name identifies stored results and never changes; people are shown its title.
"""

from __future__ import annotations

import re

STUDENT = ("recipe.labels.teacher_weight=0.7", "recipe.labels.temperature=1", "recipe.loss.label_smoothing=0")
"""How much of a student's target its teachers make, whoever they are."""

FROM_SUITE = "from_"
"""Begins the part of a name that says on which suite the weights were trained that a member starts from."""

OF = "--"
"""In that part, between the suite, the member and the member's own parts where it is not the same member."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "five": ("recipe.epochs=5",),
    "ten": ("recipe.epochs=10",),
    "twenty": ("recipe.epochs=20",),
    "long": ("recipe.epochs=40",),
    "sixty": ("recipe.epochs=60",),
    "hundred": ("recipe.epochs=100",),
    "tuned": ("recipe.epochs=8", "recipe.learning_rate=0.01"),
    "batch512": ("recipe.batch_size=512", "recipe.learning_rate=0.04"),
    "small": ("image_size=40",),
    "large": ("image_size=64",),
    "equalised": ("recipe.preprocess=equalise",),
    "aligned": ("recipe.preprocess=align",),
    "standardised": ("recipe.normalise=image",),
    "geometric": ("recipe.augment.rotation=20", "recipe.augment.scale=0.25", "recipe.augment.shear=8"),
    "erasing": ("recipe.augment.erase=0.5",),
    "mixup": ("recipe.mixup=0.2",),
    "cutmix": ("recipe.cutmix=1", "recipe.mix_probability=0.3"),
    "strong": (
        "recipe.augment.rotation=20",
        "recipe.augment.scale=0.25",
        "recipe.augment.shear=8",
        "recipe.augment.erase=0.5",
        "recipe.cutmix=1",
        "recipe.mix_probability=0.3",
    ),
    "symmetric": ("recipe.loss.kind=symmetric",),
    "sharp": ("recipe.loss.label_smoothing=0",),
    "sam": ("recipe.sam=0.05",),
    "swa": ("recipe.average=swa",),
    "snapshots": ("recipe.average=snapshots", "recipe.schedule=warm_restarts", "recipe.cycles=4"),
    "taught": (
        "recipe.labels.teacher=vgg_fer+vgg_fer:1+resnet_fer",
        *STUDENT,
    ),
    "reborn": (
        "recipe.labels.teacher=vgg_fer_wide+vgg_fer@muon@long+resnet_fer@muon@taught",
        *STUDENT,
    ),
    "third": (
        "recipe.labels.teacher=vgg_fer_wide@muon@strong@batch512@hundred"
        "+resnet_fer@muon@strong@batch512@hundred+ferplus_vgg13@muon@strong@batch512@hundred",
        *STUDENT,
    ),
    "fourth": (
        "recipe.labels.teacher=vgg_fer_wide@muon@long+vgg_fer@muon@strong@hundred"
        "+vgg_fer@muon@aligned+vgg_fer@muon@sharp",
        *STUDENT,
    ),
    "fifth": (
        "recipe.labels.teacher=vgg_fer@muon@long+vgg_fer@muon@long:1+resnet_fer@muon"
        "+vgg_fer_wide@muon@from_fer2013--vgg_fer_wide--muon--long",
        *STUDENT,
    ),
    "sixth": (
        "recipe.labels.teacher=mobilenetv1_mid_vggface2@fourth+face_mobilenet_mid_sface"
        "+efficientnet_lite1_imagenet@fourth@twenty+vgg_fer_wide@muon@long",
        *STUDENT,
    ),
    "seventh": (
        "recipe.labels.teacher=vgg_fer@muon@long"
        "+face_mobilenet_mid_sface@five@fifth@from_fer2013--face_mobilenet_mid_sface--fourth"
        "+mobilenetv1_mid_vggface2@five@fifth@from_fer2013--mobilenetv1_mid_vggface2--fourth"
        "+face_mobilenet_mid_sface@aligned@five@fifth@from_fer2013--face_mobilenet_mid_sface--aligned",
        *STUDENT,
    ),
    "matched": ("recipe.labels.matched=true",),
    "votes": ("recipe.labels.votes=true", "recipe.labels.votes_weight=0.5"),
    "scale_tta": ("recipe.tta=scale",),
    "grid_tta": ("recipe.tta=grid",),
    "ten_crop": ("recipe.tta=ten_crop", "recipe.crop_ratio=0.875"),
}
"""What each changes. `taught` learns from the three members that led FER2013's leaderboard before it, so that one
network follows an ensemble (arXiv:1805.04770); `reborn` learns from the three that led after that, a student of
`taught` among them; `third` learns from three that a GPU trains in minutes (benchmarks/suites/gpu_queue.csv);
`fourth` from the four that are best together on val, of those whose answers on the training images are stored,
`fifth` from four of FER+, `sixth` from four that started in four ways, 1.8 points better together on val than those of
`fourth`, and `seventh` from four of FER+ that started in three.
`matched` goes with a variant that names teachers, `@third@matched`, and needs their weights.
`tuned` is for what starts from another training (`--init-from`): few epochs, at half of Muon's usual rate.
`batch512` is four times the usual batch at twice Muon's usual rate: a GPU's step of 128 images waits for its launches.
`strong` is `geometric`, `erasing` and `cutmix` at once, for trainings of 60 epochs and more: with the usual
augmentation, accuracy stops rising after 30 to 40."""

TITLES = {
    "five": "5 epochs",
    "ten": "10 epochs",
    "twenty": "20 epochs",
    "long": "40 epochs",
    "sixty": "60 epochs",
    "hundred": "100 epochs",
    "tuned": "fine-tuned",
    "batch512": "batches of 512",
    "small": "40 pixels",
    "large": "64 pixels",
    "equalised": "histogram equalisation",
    "aligned": "faces aligned by landmarks",
    "standardised": "per-image standardisation",
    "geometric": "stronger geometric augmentation",
    "erasing": "more random erasing",
    "mixup": "MixUp",
    "cutmix": "CutMix",
    "strong": "strong augmentation",
    "symmetric": "symmetric cross-entropy",
    "sharp": "no label smoothing",
    "sam": "sharpness-aware steps",
    "swa": "stochastic weight averaging",
    "snapshots": "snapshot ensemble",
    "taught": "distilled",
    "reborn": "born-again",
    "third": "distilled from three",
    "fourth": "distilled from four",
    "fifth": "distilled from four of FER+",
    "sixth": "distilled from four starts",
    "seventh": "distilled from four of FER+, three starts",
    "matched": "teachers see its views",
    "votes": "soft labels",
    "scale_tta": "multi-scale TTA",
    "grid_tta": "scale and rotation TTA",
    "ten_crop": "10-crop TTA",
    # recipes (zoo/recipes.py), and a publication's own
    "plain": "plain recipe",
    "muon": "Muon",
    "adamw": "AdamW",
    "depthwise": "depthwise recipe",
    "kdef": "KDEF recipe",
    "paper": "paper's recipe",
}
"""What people are shown of a variant or a recipe in a member's name."""


def start_part(suite: str, member: str) -> str:
    """Return the part of a name that says what a member starts from: of a suite, NAME or NAME:SEED; "" for its own.

    >>> start_part("fer2013", "")
    'from_fer2013'
    >>> start_part("fer2013", "vgg_fer@muon:1")
    'from_fer2013--vgg_fer--muon--s1'

    Raises ValueError for a member whose name cannot be told apart in it.
    """
    name, _, seed = member.partition(":")
    part = OF.join([FROM_SUITE + suite, *(name.split("@") if name else []), *([f"s{seed}"] if seed else [])])
    if started_from(part) != (suite, member):
        raise ValueError(f"{member} of {suite} started elsewhere itself, and its name has no room in another's")
    return part


def started_from(part: str) -> tuple[str, str]:
    """Undo `start_part`: return the suite, and NAME, NAME:SEED, or "" for the member's own name."""
    suite, *parts = part.removeprefix(FROM_SUITE).split(OF)
    seed = f":{parts.pop()[1:]}" if len(parts) > 1 and re.fullmatch(r"s\d+", parts[-1]) else ""
    return suite, "@".join(parts) + seed


def display_title(name: str, seed: int | None = None) -> str:
    """Return a member's name as people are shown it; a part that has no title stays as it is.

    >>> display_title("vgg_fer@muon@taught@long")
    'vgg_fer (Muon, distilled, 40 epochs)'
    >>> display_title("vgg_fer@sharp", seed=1)
    'vgg_fer (no label smoothing, seed 1)'
    >>> display_title("vgg_fer@from_fer2013")
    'vgg_fer (from fer2013)'
    >>> display_title("vgg_fer@from_fer2013--vgg_fer--muon")
    'vgg_fer (from vgg_fer@muon of fer2013)'
    >>> display_title("vgg_fer")
    'vgg_fer'
    """
    network, *changes = name.split("@")
    details = [_title(change) for change in changes]
    if seed is not None:
        details.append(f"seed {seed}")
    return f"{network} ({', '.join(details)})" if details else network


def _title(change: str) -> str:
    if not change.startswith(FROM_SUITE):
        return TITLES.get(change, change)
    suite, member = started_from(change)
    return f"from {member} of {suite}" if member else f"from {suite}"

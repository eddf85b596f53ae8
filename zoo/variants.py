"""A member with one thing changed, as `member@variant`: for ablations, and for members that differ in kind.

A variant is a few settings on top of the member's own recipe, as the command line takes them (zoo/overrides.py).
"""

from __future__ import annotations

STUDENT = ("recipe.labels.teacher_weight=0.7", "recipe.labels.temperature=1", "recipe.loss.label_smoothing=0")
"""How a student listens to its teachers, whoever they are."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "long": ("recipe.epochs=40",),
    "sixty": ("recipe.epochs=60",),
    "hundred": ("recipe.epochs=100",),
    "small": ("image_size=40",),
    "large": ("image_size=64",),
    "equalised": ("recipe.preprocess=equalise",),
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
    "votes": ("recipe.labels.votes=true", "recipe.labels.votes_weight=0.5"),
    "scale_tta": ("recipe.tta=scale",),
    "grid_tta": ("recipe.tta=grid",),
    "ten_crop": ("recipe.tta=ten_crop", "recipe.crop_ratio=0.875"),
}
"""What each changes. The teachers of `taught` were the best three of FER2013's leaderboard, so its student is the
ensemble born again (arXiv:1805.04770) as one network; those of `reborn` are the best three after that, a student of
`taught` among them. `strong` is `geometric`, `erasing` and `cutmix` at once, for trainings of 60 epochs and more: the
usual augmentation is used up after 30 to 40."""

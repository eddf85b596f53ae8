"""How a member is trained: a frozen, hashable description, and the named recipes the members start from.

Defaults are a contract: a stored result is identified by what its recipe says differently. A default therefore never
changes; a new option starts with the value that leaves training as it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

MOST_EPOCHS, MOST_IMAGES, MOST_FOLDS = 100_000, 1_000_000, 100


@dataclass(frozen=True)
class Augment:
    """Random transforms, drawn for each image at each visit and applied to the whole batch on its device.

    Units: `shift` is a fraction of the image side, `rotation` and `shear` degrees, `scale`, `contrast` and `saturation`
    a relative range, `brightness` a fraction of full scale; `vertical_flip`, `grayscale` and `erase` are
    probabilities; `crop` is the least share of the area that a random resized crop keeps (1: no such crop).
    """

    flip: bool = True
    shift: float = 0.1
    rotation: float = 12.0
    scale: float = 0.12
    contrast: float = 0.25
    brightness: float = 0.1
    erase: float = 0.25
    shear: float = 0.0
    crop: float = 1.0
    vertical_flip: float = 0.0
    saturation: float = 0.0
    grayscale: float = 0.0


@dataclass(frozen=True)
class Loss:
    """What training minimises. Targets are distributions over the classes, so every kind takes soft labels.

    The last fields are weights of further terms, which count only where a network has such an output: `auxiliary` for a
    second classifier, `regulariser` for the network's own term, `valence` and `arousal` for the regression heads.
    """

    kind: Literal["cross_entropy", "poly", "focal", "symmetric", "generalised", "multi_target"] = "cross_entropy"
    label_smoothing: float = 0.1
    class_weights: Literal["none", "balanced", "complement"] = "none"  # N / (K n_c), or 1 - n_c / N
    epsilon: float = 2.0  # PolyLoss: weight of 1 - p
    gamma: float = 2.0  # focal: exponent of 1 - p
    alpha: float = 0.1  # symmetric cross-entropy: weight of the usual term
    beta: float = 1.0  # symmetric cross-entropy: weight of the reversed term
    q: float = 0.7  # generalised cross-entropy: 0 is cross-entropy, 1 is mean absolute error
    auxiliary: float = 0.3
    regulariser: float = 1.0
    valence: float = 0.3
    arousal: float = 0.3
    affect: Literal["ccc", "mse"] = "ccc"


@dataclass(frozen=True)
class Transfer:
    """Fine-tuning in two phases, for networks that start from trained weights: the classifier alone, then all layers.

    With `unfreeze_epochs`, layers join from the classifier down, one after so many epochs each (arXiv:1801.06146).
    `backbone` is the learning rate of everything but the classifier, as a share of the classifier's; `layer_decay`
    lowers it further from layer to layer towards the input (arXiv:2106.08254). With `freeze_norm` batch norm keeps its
    statistics.
    """

    head_epochs: int = 0
    backbone: float = 1.0
    layer_decay: float = 1.0
    freeze_norm: bool = False
    unfreeze_epochs: int = 0


GUIDES = ("teacher", "judge", "annotator")
"""The settings of `Labels` that name other members, joined by +."""


@dataclass(frozen=True)
class Labels:
    """What a member learns from, besides the labels of the training split.

    Annotators' votes: with `votes`, the shares of the votes make up `votes_weight` of the target, and the label the
    rest. With `draw`, each visit of an image draws one class from its target (arXiv:1608.01041).

    Distillation (arXiv:1503.02531): `teacher` is a member of the store ("vgg_fer", "vgg_fer:1" for seed 1) or several
    joined by "+". Their mean probabilities, softened by `temperature`, make up `teacher_weight` of the target; votes
    and label make up the rest. With `matched` the teachers see each augmented view along with the student
    (arXiv:2106.05237), else the stored image, once for all epochs.

    Label cleaning (arXiv:1911.00068): `judge` names members that were trained with `folds`. The share `clean` of the
    training images, those whose label is least likely under the judge's out-of-fold predictions, is left out. Of these,
    images for which the judge gives some class at least the probability `pseudo` come back with that label (0: none).

    Images without labels (arXiv:1911.04252): `annotator` names members, as `teacher` does. Images of a further folder
    for which their mean probability of some class is at least `sure` are trained on with that label.
    """

    votes: bool = False
    votes_weight: float = 1.0
    draw: bool = False
    teacher: str = ""
    teacher_weight: float = 0.5
    temperature: float = 2.0
    matched: bool = False
    judge: str = ""
    clean: float = 0.0
    pseudo: float = 0.0
    annotator: str = ""
    sure: float = 0.9


@dataclass(frozen=True)
class Trees:
    """Settings of members whose classifier is XGBoost on a network's features; `smote` balances the classes before."""

    rounds: int = 500  # at most; the best on val is kept
    learning_rate: float = 0.1
    depth: int = 6
    smote: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights besides architecture, initialisation, data and seed.

    Schedule: `warmup` is the share of all steps in which the learning rate rises. `decay` is the factor that lowers it:
    with `step` every `step_epochs`, with `plateau` after `patience` epochs without a better val accuracy, with
    `exponential` every epoch. `cycles` is the number of `warm_restarts`. `stop_after` ends training after so many
    epochs without a better val accuracy (0: never).

    Several networks: `folds` trains that many, each without one part of the training split; the member's logits are
    their mean, and each training image gets out-of-fold logits (0: one network on all images). `soup` averages the
    weights of `ingredients` networks, which differ in their seeds (arXiv:2203.05482).

    `epoch_images` limits an epoch to that many images, drawn again each time (0: all). With `affect`, a second head on
    the same backbone learns valence and arousal along with the classes.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "sgd"  # "sgd" (Nesterov), "adamw", or any name torch or pytorch-optimizer knows
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9  # of "sgd"
    l1: float = 0.0  # weight of the sum of absolute weights of kernels and matrices, 0: off
    dropout: float = 0.0  # share of the features that enter the classifier, beside what the network itself drops
    sam: float = 0.0  # radius of sharpness-aware minimisation (arXiv:2010.01412), 0: off; two passes a step
    lookahead: bool = False  # arXiv:1907.08610
    accumulate: int = 1  # batches of batch_size / accumulate images, their gradients summed: less memory, same step
    schedule: Literal["onecycle", "cosine", "warm_restarts", "plateau", "step", "exponential", "constant"] = "onecycle"
    warmup: float = 0.2
    decay: float = 0.1
    step_epochs: int = 30
    patience: int = 5
    cycles: int = 1
    stop_after: int = 0
    clip_norm: float = 2.0  # 0: off
    average: Literal["ema", "swa", "snapshots", "none"] = "ema"  # of the weights along the way
    ema_decay: float = 0.995
    swa_start: float = 0.75  # share of the epochs after which stochastic weight averaging begins (arXiv:1803.05407)
    sampling: Literal["shuffle", "balanced"] = "shuffle"  # balanced: classes equally often, drawn with replacement
    oversample: Literal["none", "random", "smote", "adasyn"] = "none"  # of the training split alone, once
    epoch_images: int = 0
    folds: int = 0
    soup: Literal["none", "uniform", "greedy"] = "none"
    ingredients: int = 3
    affect: bool = False
    mixup: float = 0.0  # parameter of the beta distribution (arXiv:1710.09412), 0: off
    cutmix: float = 0.0  # the same (arXiv:1905.04899); where both are on, each batch takes one of them
    mix_probability: float = 1.0  # share of the batches that are mixed
    preprocess: Literal["none", "align", "equalise", "median"] = "none"  # of every image, at training and test
    normalise: Literal["fixed", "image", "imagenet", "signed", "unit"] = "fixed"
    crop_ratio: float = 1.0  # the network sees this share of the image side: the centre at test, anywhere in training
    start_size: float = 1.0  # progressive resizing (arXiv:2104.00298): share of the image side in the first epochs
    bf16_on_cpu: bool = True  # autocast where the CPU has bf16 instructions
    tta: Literal["none", "flip", "ten_crop", "shift", "scale", "rotate", "grid"] = "flip"
    augment: Augment = field(default_factory=Augment)
    loss: Loss = field(default_factory=Loss)
    transfer: Transfer = field(default_factory=Transfer)
    labels: Labels = field(default_factory=Labels)
    trees: Trees = field(default_factory=Trees)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError(f"a recipe needs epochs >= 1 and batch_size >= 2, not {self.epochs} and {self.batch_size}")
        if self.epochs > MOST_EPOCHS or self.batch_size > MOST_IMAGES:
            raise ValueError(
                f"a recipe has at most {MOST_EPOCHS:,} epochs and batches of {MOST_IMAGES:,}, not {self.epochs:,} and "
                f"{self.batch_size:,}"
            )
        if self.accumulate < 1 or self.batch_size % self.accumulate:
            raise ValueError(f"accumulate ({self.accumulate}) must divide batch_size ({self.batch_size})")
        if self.folds < 0 or self.folds == 1 or self.folds > MOST_FOLDS:
            raise ValueError(
                f"folds must be 0 (one network on all training images) or at least 2, {MOST_FOLDS} at most"
            )
        if self.soup != "none" and (self.folds or self.average == "snapshots"):
            raise ValueError(f"a {self.soup} soup is made of single networks: folds and snapshots do not go with it")
        if not 0 <= self.dropout < 1 or self.l1 < 0:
            raise ValueError(f"dropout ({self.dropout:g}) is a share below 1, l1 ({self.l1:g}) not below 0")
        labels = self.labels
        if self.oversample != "none" and (labels.votes or labels.teacher or labels.clean):
            raise ValueError(f"oversample ({self.oversample}) makes images that have no votes and no teacher: use one")
        if self.oversample != "none" and self.affect:
            raise ValueError(f"oversample ({self.oversample}) makes images without valence and arousal: use sampling")
        if not 0 < labels.votes_weight <= 1 or (labels.votes_weight < 1 and not labels.votes):
            raise ValueError(
                f"labels.votes_weight ({labels.votes_weight:g}) is a share above 0, at most 1, of votes=true"
            )
        if labels.clean and not labels.judge:
            raise ValueError("labels.clean needs labels.judge, a member trained with folds")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Undo `dataclasses.asdict`; what is missing gets its default, and unknown keys raise TypeError."""
        groups = {name: kind(**values[name]) for name, kind in GROUPS.items() if name in values}
        return cls(**{**values, **groups})

    def changes(self) -> dict[str, Any]:
        """Return what differs from the defaults, nested: it identifies the recipe."""
        return differing(asdict(self), _defaults())


@cache
def _defaults() -> dict[str, Any]:
    return asdict(Recipe())


GROUPS = {"augment": Augment, "loss": Loss, "transfer": Transfer, "labels": Labels, "trees": Trees}


def named_members(text: str) -> list[tuple[str, int]]:
    """Return names and seeds of the members that `labels.teacher` or `labels.judge` names.

    >>> named_members("vgg_fer+resnet_fer:1")
    [('vgg_fer', 0), ('resnet_fer', 1)]

    Raises ValueError for a seed that is no number.
    """
    members = []
    for item in text.split("+"):
        name, _, seed = item.strip().partition(":")
        if seed and not seed.isdigit():
            raise ValueError(f"{item!r}: write a member as name or name:seed, several joined by +")
        members.append((name, int(seed or 0)))
    return members


def differing(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a nested dictionary that differs from another one of the same shape."""
    different = {}
    for key, value in values.items():
        if isinstance(value, dict):
            value = differing(value, defaults[key])
            if not value:
                continue
        elif value == defaults[key]:
            continue
        different[key] = value
    return different


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Return what changed between two nested dictionaries, a sentence for each value: `recipe.epochs was 12, is 24`."""
    changes = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            old_value, new_value = ("none" if value == "" else value for value in (before, after))
            changes.append(f"{prefix}{key} was {old_value}, is {new_value}")
    return changes


PLAIN = Recipe(epochs=24, start_size=2 / 3)
"""Networks of plain 3x3 convolutions with batch norm, from scratch."""

ADAMW = Recipe(optimizer="adamw", learning_rate=2e-3, weight_decay=0.05, start_size=2 / 3)
"""Networks with fully connected heads, layer norm or dropout, from scratch."""

DEPTHWISE = Recipe(optimizer="adamw", learning_rate=3e-3, weight_decay=0.05, epochs=14, start_size=2 / 3)
"""Mobile networks, of depthwise convolutions, from scratch."""

DIGITS = Recipe(
    epochs=30,
    optimizer="adamw",
    learning_rate=5e-3,
    weight_decay=0.02,
    tta="none",
    augment=Augment(flip=False, shift=0.08, rotation=10.0, scale=0.1, contrast=0.0, brightness=0.0, erase=0.0),
)
"""Tiny networks on 8x8 digits: seconds on one core."""

MUON = Recipe(optimizer="muon", learning_rate=0.02, weight_decay=0.05, start_size=2 / 3)
"""Networks of plain 3x3 convolutions in fewer epochs, from scratch: orthogonalised updates learn faster than SGD's."""

FROM_FACES = Recipe(
    epochs=30,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.05,
    ema_decay=0.99,
    normalise="unit",
    transfer=Transfer(head_epochs=1),
)
"""Networks cut out of face recognisers: the classifier alone for an epoch, then all layers alike, since those that
would have had to unlearn are cut off."""

KDEF = Recipe(
    epochs=50,
    batch_size=8,
    optimizer="adamw",
    learning_rate=1e-4,
    weight_decay=0.01,
    schedule="constant",
    warmup=0.0,
    clip_norm=0.0,
    average="none",
    normalise="imagenet",
    tta="none",
    augment=Augment(flip=False, shift=0.0, rotation=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0),
    loss=Loss(label_smoothing=0.0),
)
"""Fine-tuning as reported for DenseNet-121 on KDEF: AdamW at 1e-4, batches of 8; what is not reported is left off."""

NAMED = {"plain": PLAIN, "muon": MUON, "adamw": ADAMW, "depthwise": DEPTHWISE, "kdef": KDEF}
"""Recipes that any member can be trained by, as `member@plain`."""

"""How a member is trained: a frozen, hashable description, and the named recipes the members start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Augment:
    """Random transforms, drawn anew for each image and applied to the batch in one pass on the device.

    Units: `shift` is a fraction of the image side, `rotation` degrees, `scale` and `contrast` a relative range,
    `brightness` a fraction of full scale, `erase` the probability that a rectangle is replaced by noise.
    """

    flip: bool = True
    shift: float = 0.1
    rotation: float = 12.0
    scale: float = 0.12
    contrast: float = 0.25
    brightness: float = 0.1
    erase: float = 0.25


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights besides architecture, initialisation, data and seed."""

    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "sgd"  # "sgd" (Nesterov), "adamw", or any name pytorch-optimizer knows
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    schedule: Literal["onecycle", "cosine"] = "onecycle"
    warmup: float = 0.2  # share of all steps in which the learning rate rises
    label_smoothing: float = 0.1
    clip_norm: float = 2.0
    ema_decay: float = 0.995
    normalise: Literal["fixed", "image"] = "fixed"  # (x - 0.5) / 0.25, or zero mean and unit variance per image
    start_size: float = 1.0  # progressive resizing (arXiv:2104.00298): share of the image side in the first epochs
    bf16_on_cpu: bool = True  # autocast where the CPU has bf16 instructions; a loss for depthwise convolutions
    tta: Literal["none", "flip"] = "flip"
    augment: Augment = field(default_factory=Augment)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError(f"a recipe needs epochs >= 1 and batch_size >= 2, not {self.epochs} and {self.batch_size}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The inverse of `dataclasses.asdict`; unknown keys raise TypeError."""
        return cls(**{**values, "augment": Augment(**values["augment"])})


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What changed between two nested dictionaries, one sentence a value: `recipe.epochs was 12, is 24`."""
    changes = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            changes.append(f"{prefix}{key} was {before}, is {after}")
    return changes


PLAIN = Recipe(epochs=24, start_size=2 / 3)
"""Networks of plain 3x3 convolutions with batch norm, from scratch."""

ADAMW = Recipe(optimizer="adamw", learning_rate=2e-3, weight_decay=0.05, start_size=2 / 3)
"""Networks with fully connected heads, layer norm or dropout, from scratch."""

DEPTHWISE = Recipe(
    optimizer="adamw", learning_rate=3e-3, weight_decay=0.05, bf16_on_cpu=False, epochs=14, start_size=2 / 3
)
"""Mobile networks: depthwise convolutions are slower in bf16 than in float32 on CPUs."""

DIGITS = Recipe(
    epochs=30,
    optimizer="adamw",
    learning_rate=5e-3,
    weight_decay=0.02,
    tta="none",
    augment=Augment(flip=False, shift=0.08, rotation=10.0, scale=0.1, contrast=0.0, brightness=0.0, erase=0.0),
)
"""Tiny networks on 8x8 digits: seconds on one core."""

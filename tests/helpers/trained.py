"""A short training on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data import Dataset
from zoo.registry import Member
from zoo.training.loop import Control, Trained, train
from zoo.training.soft_labels import Guidance


def trained(
    member: Member,
    dataset: Dataset,
    checkpoint: Path,
    *,
    seed: int = 0,
    training: Callable[..., Trained] = train,
    guidance: Guidance | None = None,
    **control: Any,
) -> Trained:
    return training(
        member,
        dataset.train,
        dataset.val,
        num_classes=len(dataset.classes),
        seed=seed,
        device="cpu",
        checkpoint=checkpoint,
        guidance=guidance,
        control=Control(**control),
    )

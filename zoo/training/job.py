"""What is trained and in what surroundings: two values that everything that trains hands on whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from zoo.member import Member


@dataclass(frozen=True)
class Progress:
    """Where a training is; handed to the progress display."""

    epoch: int  # complete ones
    epochs: int
    step: int  # of all epochs together
    steps: int
    images_per_second: float
    seconds_left: float
    val_accuracy: float | None  # of the last complete epoch


class LabelledImages(Protocol):
    """One split as training needs it: images uint8 [N,C,H,W], targets int64 [N].

    Where the data has them: `votes` [N,K] of annotators, `affect` float [N,2] (valence, arousal).
    """

    @property
    def images(self) -> np.ndarray: ...

    @property
    def targets(self) -> np.ndarray: ...

    @property
    def votes(self) -> np.ndarray | None: ...

    @property
    def affect(self) -> np.ndarray | None: ...


@dataclass(frozen=True)
class Guidance:
    """What other members say of the training images: probabilities [N,K] of the teacher, and out-of-fold ones."""

    teacher: np.ndarray | None = None
    out_of_fold: np.ndarray | None = None


class TrainingData(Protocol):
    """Labelled images that are learnt from, and those that choose the epoch."""

    @property
    def train(self) -> LabelledImages: ...

    @property
    def val(self) -> LabelledImages: ...


@dataclass(frozen=True, eq=False)
class Splits:
    """TrainingData of two splits, such as parts of a data set's own."""

    train: LabelledImages
    val: LabelledImages


@dataclass(frozen=True, eq=False)
class TrainJob:
    """What is trained: everything that decides the weights.

    `guidance` is what other members say of the training images. `name` is what the files of its states are called.
    """

    member: Member
    data: TrainingData
    num_classes: int
    seed: int = 0
    guidance: Guidance = field(default_factory=Guidance)
    name: str = "training"

    def network(self, number: int) -> TrainJob:
        """The job of one of several networks (folds, ingredients of a soup), which has states of its own."""
        return replace(self, name=f"{self.name}.part{number}")


@dataclass(frozen=True, eq=False)
class TrainContext:
    """Where a training runs, and who takes part in it.

    Its states lie in the folder `checkpoints`. `stop` is asked before each step, and with a reason from it training
    stops; `progress` is told where it is, `note` what the user should know.
    """

    checkpoints: Path
    device: str = "cpu"
    compiled: bool = False
    stop: Callable[[], str | None] = lambda: None
    progress: Callable[[Progress], None] = lambda progress: None
    note: Callable[[str], None] = lambda text: None

    def checkpoint(self, job: TrainJob) -> Path:
        """Where the state of a job lies."""
        return self.checkpoints / f"{job.name}.pt"

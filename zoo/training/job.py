"""What is trained, and where: the two values that every function of training takes and hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.member import Member
from zoo.training.world import ALONE, World, alone

if TYPE_CHECKING:
    from zoo.pretrained.warm_start import WarmStart
    from zoo.training.matched import Teacher


@dataclass(frozen=True)
class Progress:
    """How far a training is, for a progress display."""

    epoch: int  # number of complete epochs
    epochs: int
    step: int  # of all epochs together
    steps: int
    images_per_second: float
    seconds_left: float
    val_accuracy: float | None  # of the last complete epoch
    is_best: bool = False  # the last epoch was the best so far, and its weights are kept
    unit: str = "epoch"  # or "round", of boosting


class LabelledImages(Protocol):
    """One split as training needs it: images uint8 [N,C,H,W], targets int64 [N].

    Where the data has them: `votes` [N,K] of annotators, `affect` float [N,2] (valence, arousal), and `groups` int64
    [N] of images that belong together, such as one person's: folds of training never part them.
    """

    @property
    def images(self) -> np.ndarray: ...

    @property
    def targets(self) -> np.ndarray: ...

    @property
    def votes(self) -> np.ndarray | None: ...

    @property
    def affect(self) -> np.ndarray | None: ...

    @property
    def groups(self) -> np.ndarray | None: ...


@dataclass(frozen=True, eq=False)
class PseudoLabelled:
    """Images uint8 [M,C,H,W] beside the training split, and the classes int64 [M] that other members gave them."""

    images: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class PeerPredictions:
    """Probabilities [N,K] that other members give the training images, where the recipe's labels ask for them.

    A student learns from those of the `teacher`. Those of the `judge` are out-of-fold; they find doubtful labels.
    Teachers that see each of the student's views come as `networks` instead. `more` are images that have no other
    label than those of members.
    """

    teacher: np.ndarray | None = None
    judge: np.ndarray | None = None
    networks: tuple[Teacher, ...] = ()
    more: PseudoLabelled | None = None


class TrainingData(Protocol):
    """Labelled images to learn from, and those by which the best epoch is chosen."""

    @property
    def train(self) -> LabelledImages: ...

    @property
    def val(self) -> LabelledImages: ...


@dataclass(frozen=True, eq=False)
class Splits:
    """Two splits as TrainingData, such as parts of a data set's own."""

    train: LabelledImages
    val: LabelledImages


@dataclass(frozen=True, eq=False)
class TrainJob:
    """What is trained: everything that decides the weights.

    `peers` holds other members' predictions on the training images, `start` the weights that a member of another suite
    has learnt, where this one starts from them. Checkpoints are named after `name`.
    """

    member: Member
    data: TrainingData
    num_classes: int
    seed: int = 0
    peers: PeerPredictions = field(default_factory=PeerPredictions)
    start: WarmStart | None = None
    name: str = "training"

    def network(self, number: int) -> TrainJob:
        """Return the job of one of several networks (folds, ingredients of a soup), which has its own checkpoint."""
        return replace(self, name=f"{self.name}.part{number}")


@dataclass(frozen=True, eq=False)
class TrainContext:
    """Where a training runs, and who follows it.

    Checkpoints are in the folder `checkpoints`; the state is saved after an epoch where the last time is
    `checkpoint_every` seconds ago, and always at a stop; `saved` is then called with the file, perhaps in a thread, and
    may raise OSError as the saving may. `stop` is called before each step, and training stops where it
    returns a reason. `progress` is called with how far it is, `note` with what the user should know. `place` describes
    where this is, for the record of which steps were trained where. `world` says which of several
    processes this is, and `together` starts the others.
    """

    checkpoints: Path
    device: str = "cpu"
    compiled: bool = False
    stop: Callable[[], str | None] = lambda: None
    progress: Callable[[Progress], None] = lambda progress: None
    note: Callable[[str], None] = lambda text: None
    checkpoint_every: float = 0.0
    saved: Callable[[Path], None] = lambda path: None
    place: Mapping[str, Any] = field(default_factory=dict)
    world: World = ALONE
    together: Callable[[PeerPredictions, WarmStart | None], AbstractContextManager[World]] = alone

    def checkpoint(self, job: TrainJob) -> Path:
        """Return where the state of a job is saved."""
        return self.checkpoints / f"{job.name}.pt"

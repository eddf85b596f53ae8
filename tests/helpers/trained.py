"""A short training on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data import Dataset
from zoo.member import Member
from zoo.training.job import PeerPredictions, TrainContext, TrainJob
from zoo.training.loop import Trained, train


def trained(
    member: Member,
    dataset: Dataset,
    checkpoint: Path,
    *,
    seed: int = 0,
    training: Callable[[TrainJob, TrainContext], Trained] = train,
    peers: PeerPredictions | None = None,
    **context: Any,
) -> Trained:
    """What a training that keeps its state at `checkpoint` leaves."""
    job = TrainJob(member, dataset, len(dataset.classes), seed, peers or PeerPredictions(), name=checkpoint.stem)
    return training(job, TrainContext(checkpoint.parent, **context))

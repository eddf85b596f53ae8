"""One training on several cards of this machine, a process each: `--cards`.

This process is the first of them: it alone saves, reports and is asked to stop. The others read the images themselves,
train in step with it, and end with it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.execution.slots import Slot, available, inherited, visible_cards
from benchmarks.execution.stopping import signals_held_back
from benchmarks.fold import Fold
from benchmarks.session import Options, Session
from benchmarks.store.identity import Configuration
from zoo.training.job import PeerPredictions, TrainContext
from zoo.training.world import ALONE, World, joined, meeting_place

if TYPE_CHECKING:
    from zoo.pretrained.warm_start import WarmStart

GLANCE = 1.0  # seconds between two looks whether the first process lives
PATIENCE = 10.0  # seconds in which the others have to end after the first


class CardLost(OSError):
    """A process of a training on several cards has ended too soon; the training goes on from its last checkpoint."""


@dataclass(frozen=True)
class Part:
    """What a further process needs to train in step with the first: all that decides the weights but the images."""

    options: Options
    fold: int
    configuration: Configuration
    peers: PeerPredictions
    start: WarmStart | None
    checkpoints: Path
    device: str
    compiled: bool
    threads: int
    rank: int
    port: int


@contextmanager
def world_of(
    options: Options,
    fold: Fold,
    configuration: Configuration,
    peers: PeerPredictions,
    start: WarmStart | None,
    context: TrainContext,
) -> Iterator[World]:
    """Yield this process's place among those that train a member together, started for that long.

    Raises ValueError where there are fewer cards than asked for, and CardLost.
    """
    size = options.cards
    if size == 1:
        yield ALONE
        return
    import torch

    cards = visible_cards(context.device)
    if context.device == "cuda" and len(cards) < size:
        raise ValueError(f"--cards {size}: {len(cards)} here; of workers, start those with --cards {size}")
    store, threads = meeting_place(size), torch.get_num_threads()
    where = context.checkpoints, context.device, context.compiled
    others: list[BaseProcess] = []
    for rank in range(1, size):
        part = Part(options, fold.index, configuration, peers, start, *where, threads, rank, store.port)
        process = get_context("spawn").Process(target=_take_part, args=(part, os.getpid()), daemon=True)
        slot = Slot(tuple(available()), threads, cards[rank] if cards else "")
        with inherited(slot), signals_held_back():  # it is the first process that is asked to stop
            process.start()
        others.append(process)
    try:
        with joined(0, size, context.device, store) as world:
            yield world
    except RuntimeError as error:  # of the sums, where another process is gone
        ended = [process.exitcode for process in others if _has_failed(process)]
        if not ended:
            raise
        raise CardLost(f"{len(ended)} of its {size} processes ended (exit code {ended[0]}), see above") from error
    finally:
        _end(others)


def _has_failed(process: BaseProcess) -> bool:
    process.join(1)
    return process.exitcode not in (0, None)


def _end(processes: list[BaseProcess]) -> None:
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _take_part(part: Part, first: int) -> None:
    """Train as a further process; what comes out is the first one's."""
    import torch

    from benchmarks.execution.train import trained_network
    from zoo.training.job import TrainJob
    from zoo.training.loop import Stopped, TrainingDiverged

    threading.Thread(target=_end_with, args=(first,), daemon=True).start()
    torch.set_num_threads(part.threads)
    session = Session(part.options)
    fold, configuration = session.folds[part.fold], part.configuration
    store = meeting_place(part.options.cards, part.port)
    with fold.images() as dataset, joined(part.rank, part.options.cards, part.device, store) as world:
        data = fold.training_data(configuration.member, dataset)
        job = TrainJob(
            configuration.member,
            data,
            configuration.num_classes,
            configuration.seed,
            part.peers,
            part.start,
            configuration.stem,
        )
        try:
            trained_network(job, TrainContext(part.checkpoints, part.device, part.compiled, world=world))
        except (Stopped, TrainingDiverged, ValueError):
            return  # the first process says so


def _end_with(first: int) -> None:
    """End this process with the first one, which may have been killed."""
    while os.getppid() == first:
        time.sleep(GLANCE)
    os._exit(1)

"""Logits of trained members on the images that they learnt from: predicted once, and kept beside their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from benchmarks.data import DataError, Dataset
from benchmarks.execution.stopping import END_OF_RUN, interrupted
from benchmarks.execution.tasks import Task
from benchmarks.session import Session
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.train_logits import TrainLogits, committable, load_in_sample, save_in_sample, train_logits_path
from benchmarks.store.weights import read_weights, weights_digest, weights_path
from zoo import registry
from zoo.training.job import TrainContext


def in_sample_logits(
    configuration: Configuration, dataset: Dataset, store: PredictionStore, context: TrainContext
) -> TrainLogits:
    """Return the logits of a member, whose weights lie there, on the training images.

    They are read where they were kept and are of these weights; else they are predicted and kept: in the store, or
    where they are too large to be committed, beside the weights.
    """
    path, images = weights_path(context.checkpoints, configuration), len(dataset.train)
    folder = store.folder if committable(images, configuration.num_classes) else context.checkpoints
    digest = weights_digest(path)
    kept = _kept(folder, configuration, images)
    if kept is not None and kept.weights == digest:
        return kept
    logits = _predicted(configuration, path, dataset, context.device)
    return save_in_sample(folder, configuration, logits, digest)


def _kept(folder: Path, configuration: Configuration, images: int) -> TrainLogits | None:
    try:
        return load_in_sample(folder, configuration, images)
    except StoreError:  # a damaged file is written anew: the weights are there
        return None


def _predicted(configuration: Configuration, path: Path, dataset: Dataset, device: str) -> np.ndarray:
    from zoo.inference.predict import predict

    weights, _, _ = read_weights(path)
    return predict(configuration.member, weights, dataset.train.images, configuration.num_classes, device)


def keeps_in_sample(configuration: Configuration, images: int) -> bool:
    """Say whether this member's logits on so many training images are kept without being asked for.

    They are of every member that has weights of its own, unless it was trained in folds, which gives better ones, or
    they are too large to be committed.
    """
    member = configuration.member
    own = registry.trained_as(member) == member and not member.features_of
    return own and not member.recipe.folds and committable(images, configuration.num_classes)


def lacking_train_logits(session: Session, tasks: Sequence[Task]) -> list[Task]:
    """List the tasks whose predictions and weights are there, but not the logits on the training images."""
    return [
        task
        for task in tasks
        if task.step.stored is not None
        and keeps_in_sample(task.step.configuration, task.fold.targets.train_size)
        and weights_path(session.checkpoints, task.step.configuration).exists()
        and not train_logits_path(session.store.folder, task.step.configuration).exists()
    ]


def keep_train_logits(store: PredictionStore, tasks: Sequence[Task], context: TrainContext) -> None:
    """Keep the logits of trained members on the training images; where the images are missing, say so and keep none.

    Raises Interrupted.
    """
    for fold, in_fold in groupby(tasks, key=lambda task: task.fold):
        try:
            with fold.images() as dataset:
                if dataset.fingerprint != fold.targets.fingerprint:
                    raise DataError("the images found are not those the stored predictions are of")
                for task in in_fold:
                    if (why := context.stop()) in END_OF_RUN:
                        raise interrupted([], why)
                    if why is None:
                        in_sample_logits(task.step.configuration, dataset, store, context)
                        context.note(f"{task.label}: logits on the training images are now kept with its predictions")
        except DataError as error:
            context.note(f"no logits on the training images are kept: {error}")

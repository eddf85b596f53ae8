"""What a recipe's teacher and judge say of the training images, from the store's predictions on the training split."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.data import Dataset
from benchmarks.files import replace_atomically
from benchmarks.store.container import StoreError, packed, read_file
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.train_logits import load_out_of_fold
from benchmarks.store.weights import read_weights, weights_path
from ensembles.base import softmax
from zoo import registry
from zoo.recipes import named_members
from zoo.training.job import PeerPredictions, TrainContext


def peer_predictions(
    configuration: Configuration, dataset: Dataset, store: PredictionStore, context: TrainContext
) -> PeerPredictions:
    """Probabilities of the teacher and of the judge that the member's recipe names, where it names any.

    A teacher's out-of-fold predictions come first; else its trained weights look at the training images. Raises
    ValueError where there is neither, with the command that makes them.
    """
    labels, classes = configuration.member.recipe.labels, configuration.num_classes

    def out_of_fold(name: str, seed: int) -> np.ndarray:
        logits = load_out_of_fold(store.folder, name, seed, dataset.fingerprint, (len(dataset.train), classes))
        if logits is None:
            command = f"--members {name} --seeds {seed} --set recipe.folds=5 --train missing"
            raise ValueError(f"{name}, seed {seed}, has no out-of-fold predictions to judge labels by: {command}")
        return logits

    def teaching(name: str, seed: int) -> np.ndarray:
        logits = load_out_of_fold(store.folder, name, seed, dataset.fingerprint, (len(dataset.train), classes))
        return _in_sample(name, seed, dataset, context) if logits is None else logits

    teacher = (
        np.mean([softmax(teaching(*one)) for one in _registered(labels.teacher)], axis=0) if labels.teacher else None
    )
    judge = np.mean([softmax(out_of_fold(*one)) for one in _registered(labels.judge)], axis=0) if labels.clean else None
    return PeerPredictions(teacher, judge)


def _registered(members: str) -> list[tuple[str, int]]:
    return [(registry.get(name).name, seed) for name, seed in named_members(members)]


def _in_sample(name: str, seed: int, dataset: Dataset, context: TrainContext) -> np.ndarray:
    """Logits float32 [N,K] of a trained member on the images it was trained on, kept beside its weights: every student
    asks for the same."""
    from zoo.inference.predict import predict

    configuration = Configuration(registry.get(name), seed, dataset.fingerprint, len(dataset.classes))
    checkpoints = context.checkpoints
    path = weights_path(checkpoints, configuration)
    if not path.exists():
        command = f"--members {name} --seeds {seed} --train always"
        raise ValueError(f"{configuration.name} cannot teach: its weights are not in {checkpoints.name}/; {command}")
    kept, of = checkpoints / f"{configuration.stem}.lessons.safetensors", hashlib.sha256(path.read_bytes()).hexdigest()
    known = _kept(kept, of)
    if known is not None:
        return known
    weights, _, _ = read_weights(path)
    logits = predict(configuration.member, weights, dataset.train.images, configuration.num_classes, context.device)
    replace_atomically(kept, lambda draft: save_file({"train": logits}, draft, packed({"weights": of})))
    return logits


def _kept(path: Path, weights: str) -> np.ndarray | None:
    """Logits that lie there; None where there are none, or none of these weights, or the file is damaged."""
    if not path.exists():
        return None
    try:
        arrays, about = read_file(path)
    except StoreError:
        return None
    return arrays["train"] if about.get("weights") == weights else None

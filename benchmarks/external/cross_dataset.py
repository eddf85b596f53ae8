"""Members trained on one suite and evaluated on another: their weights, images as they know them, classes by name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import suites
from benchmarks.data import Dataset
from benchmarks.data.channels import in_channels
from benchmarks.data.expressions import shared_classes
from benchmarks.fold import Fold
from benchmarks.results import command_for, read_results
from benchmarks.session import Session
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Configuration, Transferred
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from benchmarks.store.weights import read_weights, trained_members, weights_path
from benchmarks.suites.training_images import overlap_note
from ensembles import log_softmax
from zoo import registry

ABSENT = -15.0  # log-probability of a class that the training data did not have: below what a network says of any


def transfer(session: Session, source: str, members: Sequence[str], device: str) -> None:
    """Evaluate on the session's data what was trained on `source`, into the session's store: members that match any of
    the patterns, all where there are none.

    `source` is a suite, or what the results of a folder of one's own are called. Members whose predictions are there
    already are left as they are. Raises UnknownName for a source that is neither, ValueError where no trained weights
    are at hand or the suites share fewer than two classes, DataError where this suite's data is missing.
    """
    folder = session.options.results / source
    if source not in suites.suites() and not folder.is_dir():
        raise registry.UnknownName("suite to take members from", source, suites.suites())
    _refuse_folds(source)
    origin = stored_targets(folder / "predictions")
    trained = _asked(trained_members(folder), members)
    if origin is None or not trained:
        raise ValueError(
            f"--from {source}: no member asked for has both predictions and trained weights in {folder}. "
            f"Train one: {_command(source, folder)} --members NAME --train always"
        )
    classes = session.folds[0].targets.classes
    shared = shared_classes(origin.classes, classes)
    said = [*_about_classes(source, origin.classes, classes, shared), _overlap(source, origin.fingerprint, session)]
    about = {"extra_data": f"trained on {source} alone", "remarks": [line for line in said if line]}
    session.keep_targets()
    for fold in session.folds:
        with fold.images() as dataset:
            for configuration in trained:
                identity = _identity(configuration, source, fold.targets)
                if not session.store.path(identity).exists():
                    evaluated = _evaluated(identity, configuration, folder, dataset, shared, device)
                    session.store.save(replace(evaluated, provenance={**evaluated.provenance, **about}), history=[])


def _identity(trained: Configuration, source: str, targets: Targets) -> Transferred:
    data, classes = targets.fingerprint, len(targets.classes)
    return Transferred(trained.member, trained.seed, data, classes, source, trained.data)


def _command(source: str, folder: Path) -> str:
    """Write the command line that selects a suite, or a folder of one's own by what its results are called."""
    kept = folder / "results.json"
    if source not in suites.suites() and kept.is_file():
        return command_for(read_results(kept))
    return f"python benchmark.py --suite {source}"


def _refuse_folds(source: str) -> None:
    trained = suites.suites().get(source)
    if trained and trained.folds:
        raise ValueError(
            f"--from {source}: its members are trained {len(trained.folds)} times, once a fold, and none of them on "
            "the whole. Name a suite without folds."
        )


def map_classes(logits: np.ndarray, shared: Sequence[int | None]) -> np.ndarray:
    """Map logits float32 [N,K] of the trained classes to [N,len(shared)] of the wanted ones.

    What the network says of other classes is dropped, a class that it never saw gets almost no probability.
    """
    columns = [index for index in shared if index is not None]
    kept = log_softmax(logits[:, columns])
    result = np.full((len(logits), len(shared)), ABSENT, dtype=np.float32)
    result[:, [place for place, index in enumerate(shared) if index is not None]] = np.maximum(kept, ABSENT)
    return result


def _asked(trained: Sequence[Configuration], patterns: Sequence[str]) -> list[Configuration]:
    """Choose the trained members that match any pattern; all where there is none."""
    if not patterns:
        return list(trained)
    names = dict.fromkeys(configuration.name for configuration in trained)
    wanted = registry.select("trained member", patterns, names)
    return [configuration for configuration in trained if configuration.name in wanted]


def _evaluated(
    identity: Transferred,
    trained: Configuration,
    folder: Path,
    dataset: Dataset,
    shared: Sequence[int | None],
    device: str,
) -> Predictions:
    from zoo.inference.predict import predict

    weights, provenance, _ = read_weights(weights_path(folder / "checkpoints", trained))
    channels = _channels(trained, weights)
    began = time.perf_counter()
    val, test = (
        map_classes(
            predict(trained.member, weights, in_channels(split.images, channels), trained.num_classes, device), shared
        )
        for split in (dataset.val, dataset.test)
    )
    seconds = round(time.perf_counter() - began, 2)
    about = {**provenance, "tta": trained.member.recipe.tta, "inference_seconds": seconds}
    return Predictions(identity, val, test, about)


def _channels(trained: Configuration, weights: dict[str, Any]) -> int:
    """Find how many channels the weights were trained with: with them the network has parameters of their shapes."""
    import torch

    from zoo.state_dicts import split

    network_weights = next(iter(split(weights)))
    for channels in (1, 3):
        with torch.device("meta"):
            network = trained.member.build(trained.num_classes, channels)
        if all(network_weights[name].shape == value.shape for name, value in network.state_dict().items()):
            return channels
    raise ValueError(f"{trained.name}: its weights are of another network than the one now registered")


def _about_classes(
    source: str, trained: Sequence[str], wanted: Sequence[str], shared: Sequence[int | None]
) -> Iterator[str]:
    absent = [name for name, index in zip(wanted, shared, strict=True) if index is None]
    dropped = [name for index, name in enumerate(trained) if index not in shared]
    if absent:
        yield f"{source} has no {', '.join(absent)}: members trained on it never predict that."
    if dropped:
        yield f"What members trained on {source} say of {', '.join(dropped)} is dropped."


def _overlap(source: str, fingerprint: str, session: Session) -> str:
    images, here = np.concatenate([_test_images(fold) for fold in session.folds]), session.options.data
    try:
        return overlap_note(source, fingerprint, session.options.results, here, images)
    except ValueError as error:
        raise ValueError(f"--from {source}: {error}") from error


def _test_images(fold: Fold) -> np.ndarray:
    with fold.images() as dataset:
        return dataset.test.images

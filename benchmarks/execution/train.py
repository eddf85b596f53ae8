"""Predictions of one member: from its trained weights where they lie, else by training it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.data import Dataset
from benchmarks.execution.batch_mates import check_batch_mates
from benchmarks.execution.boosting import fit_boosting
from benchmarks.execution.distillation import peers_of
from benchmarks.execution.in_sample import in_sample_logits, keeps_in_sample
from benchmarks.execution.warm_starts import warm_start
from benchmarks.formats import duration
from benchmarks.provenance import code_version, cpu_cores, device_name, library_versions
from benchmarks.store.container import StoreError, set_aside
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.train_logits import save_out_of_fold
from benchmarks.store.weights import (
    TrainedWeights,
    read_weights,
    shared_weights,
    states,
    weights_digest,
    weights_path,
    write_weights,
)
from zoo import registry
from zoo.recipes import Trees
from zoo.training.compiling import is_of_compiler
from zoo.training.job import TrainContext, TrainJob
from zoo.training.world import World, backend_of

if TYPE_CHECKING:
    from zoo.training.loop import Trained


def train_or_load(
    configuration: Configuration,
    dataset: Dataset,
    store: PredictionStore,
    context: TrainContext,
    *,
    retrain: bool,
) -> Predictions:
    """Predict with a member, trained where its weights do not lie there, and write the predictions to the store.

    Raises TrainingDiverged and Stopped of zoo.training.loop, and whatever the network itself raises.
    """
    network = _network(configuration)
    borrowed = network.member.name != configuration.member.name and not configuration.member.features_of
    if retrain and not borrowed:  # what is borrowed is trained anew by its owner
        _forget(network, context)
    weights, provenance, history = _weights(network, dataset, store, context)
    if borrowed:
        provenance["weights_of"] = shared_weights(network.name, network.seed)
    if configuration.member.features_of:
        digest = weights_digest(weights_path(context.checkpoints, network))
        val, test, about = fit_boosting(configuration, weights, digest, dataset, context)
        seconds = round(provenance["train_seconds"] + about["trees_seconds"], 1)
        about = {**provenance, **about, "train_seconds": seconds}
        saved = store.save(Predictions(configuration, val, test, about), [])  # the history is the network's
        for state in states(context.checkpoints, configuration.stem):
            state.unlink(missing_ok=True)
    else:
        saved = store.save(_predict(configuration, weights, provenance, dataset, context.device), history)
    if keeps_in_sample(network, len(dataset.train)):
        in_sample_logits(network, dataset, store, context)
    return saved


def _network(configuration: Configuration) -> Configuration:
    """Return whose weights the member needs: its own, those of the member of which it is a variant in its views at test
    time alone, or those of the network whose features it classifies."""
    member = configuration.member
    if not member.features_of:
        return replace(configuration, member=registry.trained_as(member))
    source = registry.get(member.features_of)
    recipe = replace(member.recipe, trees=Trees(), tta=source.recipe.tta)  # trees see one view: theirs says nothing
    return replace(configuration, member=replace(source, recipe=recipe, image_size=member.image_size))


def _forget(configuration: Configuration, context: TrainContext) -> None:
    """Remove what a finished training of the member has left, so that it is trained anew.

    The states of one that was stopped stay: it is asked for again, and goes on from there.
    """
    weights_file, found = (
        weights_path(context.checkpoints, configuration),
        states(context.checkpoints, configuration.stem),
    )
    if weights_file.exists() or _all_finished(configuration, found):
        for path in (*found, weights_file):
            path.unlink(missing_ok=True)


def _all_finished(configuration: Configuration, found: Sequence[Path]) -> bool:
    """Say whether these are the states of all networks of a member, each at the end of its training."""
    from zoo.training.checkpoint import peek
    from zoo.training.loop import is_finished

    recipe = configuration.member.recipe
    networks = recipe.folds or (recipe.ingredients if recipe.soup != "none" else 1)
    reached = [peek(path) for path in found] if len(found) == networks else []
    return bool(reached) and all(state is not None and is_finished(recipe, state) for state in reached)


def _weights(
    configuration: Configuration,
    dataset: Dataset,
    store: PredictionStore,
    context: TrainContext,
) -> TrainedWeights:
    """Return trained weights with provenance and history: those that lie there, else by training.

    Those that cannot be used are set aside, as a damaged checkpoint is.
    """
    weights_file = weights_path(context.checkpoints, configuration)
    if weights_file.exists():
        try:
            trained = read_weights(weights_file)
            _check_fit(weights_file, configuration, trained, dataset)
        except StoreError as error:
            context.note(f"{error}. It is set aside as {set_aside(weights_file).name}, and its member trained anew")
        else:
            for state in states(context.checkpoints, configuration.stem):  # it was killed when it had to remove them
                state.unlink(missing_ok=True)
            return trained
    _train(configuration, dataset, store, context)
    return read_weights(weights_file)


def _check_fit(path: Path, configuration: Configuration, trained: TrainedWeights, dataset: Dataset) -> None:
    """Raise StoreError where the weights have other names or shapes than the member's network."""
    import torch

    from zoo.pretrained.weights_file import first_difference
    from zoo.state_dicts import split

    with torch.device("meta"):
        network = configuration.member.build(configuration.num_classes, dataset.train.images.shape[1])
    try:
        networks = split(trained.weights)
    except ValueError as error:
        raise StoreError(f"{path.name}: names its tensors as no training does ({error})") from error
    for weights in networks:
        if difference := first_difference(weights, network.state_dict()):
            raise StoreError(f"{path.name}: holds the weights of another network: {difference}")


def _train(
    configuration: Configuration,
    dataset: Dataset,
    store: PredictionStore,
    context: TrainContext,
) -> None:
    """Train, and leave the best weights with their provenance; the checkpoints of the way there are then removed."""
    member = configuration.member
    peers = peers_of(configuration, dataset, store, context)
    start, origin = warm_start(configuration, dataset, store)
    classes, seed = configuration.num_classes, configuration.seed
    job = TrainJob(member, dataset, classes, seed, peers.predictions, start, configuration.stem)
    with context.together(peers.predictions, start) as world:
        trained, compiled = trained_network(job, replace(context, world=world))
    if trained.out_of_fold is not None:
        save_out_of_fold(store.folder, configuration, trained.out_of_fold)
    about = _provenance(configuration, dataset, context.device, compiled, trained) | _cards(world, context.device)
    said = [part["extra_data"] for part in (peers.provenance, origin) if "extra_data" in part]
    provenance = {**about, **peers.provenance, **origin, **({"extra_data": "; ".join(said)} if said else {})}
    write_weights(weights_path(context.checkpoints, configuration), trained.weights, provenance, trained.history)
    for state in states(context.checkpoints, configuration.stem):
        state.unlink(missing_ok=True)


def _cards(world: World, device: str) -> dict[str, Any]:
    """Return what the provenance says of a training in several processes."""
    return {} if world.size == 1 else {"cards": world.size, "backend": backend_of(device)}


def trained_network(job: TrainJob, context: TrainContext) -> tuple[Trained, bool]:
    """Train as the recipe says, once, in folds or as a soup; return what came out, and whether it was compiled.

    A network that the compiler cannot deal with is trained as it is, and that is said.
    """
    from zoo.training.cross_validation import train_folds
    from zoo.training.loop import train
    from zoo.training.soups import train_soup

    recipe = job.member.recipe
    training = train_folds if recipe.folds else train_soup if recipe.soup != "none" else train
    try:
        return training(job, context), context.compiled
    except RuntimeError as error:
        if not (context.compiled and is_of_compiler(error)):
            raise
        what = next(iter(str(error).splitlines()), type(error).__name__)
        context.note(f"{job.member.name}: torch.compile failed ({what}); it is trained as it is")
    return training(job, replace(context, compiled=False)), False


def _provenance(
    configuration: Configuration, dataset: Dataset, device: str, compiled: bool, trained: Any
) -> dict[str, Any]:
    member = configuration.member
    macs = member.macs if member.macs is not None else registry.counted(member).macs  # not known of a changed size
    return {
        "device": device_name(device),
        "device_kind": device,
        "cpu_cores": cpu_cores(),
        "segments": _published(trained.segments),
        "compiled": compiled,
        "train_seconds": round(trained.seconds, 1),
        "images_per_second": round(trained.images_per_second, 1),
        "best_epoch": trained.best_epoch,
        **({"fold_accuracies": trained.fold_accuracies} if trained.fold_accuracies else {}),
        "params": member.params,
        "macs": macs,
        "tta": member.recipe.tta,
        "image_shape": list(dataset.train.images.shape[1:]),  # as stored: an exported file has to make such images
        "reference": member.reference,
        "data_source": dataset.source,
        "code": code_version(),
        "libraries": library_versions(),
        "created": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _published(segments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return which steps were taken where, each host by its number among them: its name is nobody's business."""
    hosts = list(dict.fromkeys(segment["host"] for segment in segments if "host" in segment))
    return [
        {**segment, "host": hosts.index(segment["host"]) + 1} if "host" in segment else dict(segment)
        for segment in segments
    ]


def _predict(
    configuration: Configuration, weights: dict[str, Any], provenance: dict[str, Any], dataset: Dataset, device: str
) -> Predictions:
    """Predict classes, and valence and arousal where the member learnt them, with a network of these weights."""
    from zoo.inference.predict import predict_tasks

    member, began = configuration.member, time.perf_counter()
    (val, val_affect), (test, test_affect) = (
        predict_tasks(member, weights, split.images, configuration.num_classes, device)
        for split in (dataset.val, dataset.test)
    )
    seconds = round(time.perf_counter() - began, 2)
    check_batch_mates(member, weights, dataset.val.images, val, device)
    about = {**provenance, "inference_seconds": seconds, "tta": member.recipe.tta}
    return Predictions(configuration, val, test, about, val_affect, test_affect)


def outcome(predictions: Predictions, val_targets: np.ndarray) -> str:
    """Say in one line how a member came out."""
    accuracy = (predictions.val.argmax(1) == val_targets).mean()
    return f"val {100 * accuracy:.2f} %, trained in {duration(predictions.provenance['train_seconds'])}"

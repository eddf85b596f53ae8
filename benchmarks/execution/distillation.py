"""What a recipe's teachers, judges and annotators say of images, and whether they still say what a student learnt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.data import Dataset
from benchmarks.execution.in_sample import in_sample_logits
from benchmarks.execution.pseudo_labels import pseudo_labelled
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets
from benchmarks.store.train_logits import TrainLogits, load_in_sample, load_out_of_fold, say_the_same
from benchmarks.store.weights import as_stored, read_weights, shared_weights, weights_digest, weights_path
from ensembles import softmax
from zoo import registry
from zoo.recipes import named_members
from zoo.training.job import PeerPredictions, TrainContext

if TYPE_CHECKING:
    from zoo.training.matched import Teacher

TAUGHT_BY, JUDGED_BY = "taught_by", "judged_by"  # in a student's provenance: digests of logits by member and seed


@dataclass(frozen=True, eq=False)
class Peers:
    """What the teachers and judges of a recipe say, and what a student's provenance says of it."""

    predictions: PeerPredictions
    provenance: dict[str, Any]


def peers_of(configuration: Configuration, dataset: Dataset, store: PredictionStore, context: TrainContext) -> Peers:
    """Collect the probabilities of the teachers and the judges that a member's recipe names, where it names any.

    A teacher's out-of-fold logits come first, then those of its own training images in the store, then its weights; a
    judge's are out of fold. Of teachers that see the student's views, and of annotators, the weights alone will do.
    Raises ValueError where there are none, with the command that makes them.
    """
    labels = configuration.member.recipe.labels
    networks: dict[tuple[str, int], tuple[Teacher, str]] = {}
    if labels.teacher and labels.matched:
        networks = {
            (name, seed): _teacher_network(_peer(name, seed, configuration, store), context)
            for name, seed in _registered(labels.teacher)
        }
    teachers = {
        (name, seed): _teacher_logits(
            _peer(name, seed, configuration, store),
            dataset,
            store,
            context,
        )
        for name, seed in (() if networks else _registered(labels.teacher))
    }
    judges = {
        (name, seed): _judge_logits(name, seed, dataset, store)
        for name, seed in (_registered(labels.judge) if labels.clean else ())
    }
    more, about = pseudo_labelled(configuration, dataset, store, context)
    provenance: dict[str, Any] = about | {
        key: {shared_weights(*peer): logits.digests() for peer, logits in peers.items()}
        for key, peers in ((TAUGHT_BY, teachers), (JUDGED_BY, judges))
        if peers
    }
    if networks:
        provenance[TAUGHT_BY] = {shared_weights(*peer): {"weights": digest} for peer, (_, digest) in networks.items()}
    looking = tuple(teacher for teacher, _ in networks.values())
    return Peers(PeerPredictions(_mean(teachers.values()), _mean(judges.values()), looking, more), provenance)


def _peer(name: str, seed: int, student: Configuration, store: PredictionStore) -> Configuration:
    return as_stored(replace(student, member=registry.get(name), seed=seed), store)


def _teacher_network(configuration: Configuration, context: TrainContext) -> tuple[Teacher, str]:
    """Return a teacher that is asked about views, and the digest of its weights."""
    from zoo.training.matched import Teacher

    name, seed, path = configuration.name, configuration.seed, weights_path(context.checkpoints, configuration)
    if not path.exists():
        raise ValueError(
            f"{name}, seed {seed}, cannot teach by the student's views: that takes its weights, and they are not in "
            f"{context.checkpoints}; they are made by --members {name} --seeds {seed} --train always"
        )
    return Teacher(registry.trained_as(configuration.member), read_weights(path)[0]), weights_digest(path)


def _mean(peers: Iterable[TrainLogits]) -> np.ndarray | None:
    """Average probabilities [N,K]; None of nobody."""
    probabilities = [softmax(peer.logits) for peer in peers]
    return np.mean(probabilities, axis=0) if probabilities else None


def _registered(members: str) -> list[tuple[str, int]]:
    return [(registry.get(name).name, seed) for name, seed in named_members(members)] if members else []


def _judge_logits(name: str, seed: int, dataset: Dataset, store: PredictionStore) -> TrainLogits:
    shape = (len(dataset.train), len(dataset.classes))
    logits = load_out_of_fold(store.folder, name, seed, dataset.fingerprint, shape)
    if logits is None:
        command = f"--members {name} --seeds {seed} --set recipe.folds=5 --train missing"
        raise ValueError(f"{name}, seed {seed}, has no out-of-fold predictions to judge labels by: {command}")
    return logits


def _teacher_logits(
    configuration: Configuration, dataset: Dataset, store: PredictionStore, context: TrainContext
) -> TrainLogits:
    name, seed, images = configuration.name, configuration.seed, len(dataset.train)
    logits = load_out_of_fold(store.folder, name, seed, dataset.fingerprint, (images, configuration.num_classes))
    if logits is not None:
        return logits
    if weights_path(context.checkpoints, configuration).exists():  # which say whether what is stored is of them
        return in_sample_logits(configuration, dataset, store, context)
    stored = load_in_sample(store.folder, configuration, images)
    if stored is None:
        command = f"--members {name} --seeds {seed} --train always"
        raise ValueError(
            f"{configuration.name} cannot teach: the store has no logits of it on the training images, and its weights "
            f"are not in {context.checkpoints.name}/; {command}"
        )
    return stored


def changed_peers(students: Iterable[Predictions], store: PredictionStore, targets: Targets) -> list[str]:
    """Name the students whose teachers or judges, by what the store keeps of them, now say something else.

    Students that were trained before digests were kept, and peers of which the store keeps nothing, are passed over.
    """
    notes = []

    @cache  # many students have one teacher
    def stored(peer: str, key: str, channels: int | None) -> dict[str, str] | None:
        logits = _stored(peer, key, store, targets, channels)
        return None if logits is None else logits.digests()

    for student in students:
        for key, said in ((TAUGHT_BY, "taught"), (JUDGED_BY, "judged")):
            for peer, digests in student.provenance.get(key, {}).items():
                own = student.configuration
                now = stored(peer, key, own.channels if isinstance(own, Configuration) else None)
                if now is not None and not say_the_same(now, digests):
                    label = shared_weights(student.configuration.name, student.configuration.seed)
                    notes.append(
                        f"{label} was {said} by other logits of {peer} than the store holds now: trained anew, "
                        "it would come out differently"
                    )
    return notes


def _stored(peer: str, key: str, store: PredictionStore, targets: Targets, channels: int | None) -> TrainLogits | None:
    name, _, seed = peer.rpartition(".s")
    images, classes = targets.train_size, len(targets.classes)
    try:
        logits = load_out_of_fold(store.folder, name, int(seed), targets.fingerprint, (images, classes))
        if logits is None and key == TAUGHT_BY and registry.is_known(name):
            configuration = Configuration(
                registry.get(name), int(seed), targets.fingerprint, classes, channels=channels
            )
            logits = load_in_sample(store.folder, as_stored(configuration, store), images)
    except StoreError:
        return None  # whoever learns from it next is told
    return logits

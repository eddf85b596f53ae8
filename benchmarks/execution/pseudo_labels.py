"""Images without labels, and the classes that members give them which are sure: pseudo-labels (arXiv:1911.04252)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.data import Dataset
from benchmarks.data.copies import near_copies_in
from benchmarks.data.fingerprint import also_in
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.weights import as_stored, read_weights, shared_weights, weights_digest, weights_path
from ensembles import softmax
from zoo import registry
from zoo.recipes import named_members
from zoo.training.job import PseudoLabelled, TrainContext

ANNOTATED_BY = "annotated_by"  # in the provenance: digests of the annotators' weights, and of the images


def pseudo_labelled(
    configuration: Configuration, dataset: Dataset, store: PredictionStore, context: TrainContext
) -> tuple[PseudoLabelled | None, dict[str, Any]]:
    """Label the images that the data has without labels as the member's recipe says, and say so for its provenance.

    Images that also stand in a split, pixel for pixel or as another copy of one photograph, are left out: those of val
    and test would be learnt, and those of train have a label. Raises ValueError where the annotators' weights are not
    at hand, with the command that makes them, or where none of the images can be used.
    """
    labels, pool = configuration.member.recipe.labels, dataset.unlabelled
    if not labels.annotator or pool is None:
        return None, {}
    annotators = [
        as_stored(replace(configuration, member=registry.get(name), seed=seed), store)
        for name, seed in named_members(labels.annotator)
    ]
    known = _stands_in(pool, dataset)
    new = pool[~known]
    probabilities = np.mean([_opinion(one, new, context) for one in annotators], axis=0)
    sure = probabilities.max(axis=1, initial=0.0) >= labels.sure
    counts = f"{sure.sum():,} of {len(pool):,} images without labels"
    left_out = f"{known.sum():,} stand in the data, and of {(~sure).sum():,} the annotators are not sure"
    if not sure.any():
        raise ValueError(f"{configuration.name} can use none of {len(pool):,} images without labels: {left_out}")
    context.note(f"{configuration.name} learns from {counts}: {left_out}")
    digests = {shared_weights(one.name, one.seed): weights_digest(_weights(one, context)) for one in annotators}
    return PseudoLabelled(new[sure], probabilities[sure].argmax(axis=1)), {
        "extra_data": f"{counts}, labelled by {labels.annotator}",
        ANNOTATED_BY: {**digests, "images": hashlib.sha256(np.ascontiguousarray(pool).tobytes()).hexdigest()},
    }


def _stands_in(pool: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Tell which images also stand in a split, or stand in the pool before: bool [M]."""
    _, first = np.unique([image.tobytes() for image in pool], return_index=True)
    known = np.ones(len(pool), dtype=bool)
    known[first] = False
    for split in dataset.splits().values():
        known |= also_in(pool, split.images)
        copies = near_copies_in(pool, split.images)
        known |= False if copies is None else copies
    return known


def _weights(configuration: Configuration, context: TrainContext) -> Any:
    path = weights_path(context.checkpoints, configuration)
    if not path.exists():
        name, seed = configuration.name, configuration.seed
        raise ValueError(
            f"{name}, seed {seed}, cannot label images: that takes its weights, and they are not in "
            f"{context.checkpoints}; they are made by --members {name} --seeds {seed} --train always"
        )
    return path


def _opinion(configuration: Configuration, images: np.ndarray, context: TrainContext) -> np.ndarray:
    """Return an annotator's probabilities [M,K]."""
    from zoo.inference.predict import predict

    weights = read_weights(_weights(configuration, context))[0]
    return softmax(predict(configuration.member, weights, images, configuration.num_classes, context.device))

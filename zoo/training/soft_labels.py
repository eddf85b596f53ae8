"""Make training targets: distributions over the classes, from labels, votes, teachers and label cleaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.recipes import Labels, Recipe
from zoo.training.job import LabelledImages, PeerPredictions


@dataclass(frozen=True)
class TrainingTargets:
    """The images that are trained on: images uint8 [n,C,H,W], targets float32 [n,K], affect float32 [n,2] or None."""

    images: np.ndarray
    targets: np.ndarray
    affect: np.ndarray | None = None


def training_targets(
    split: LabelledImages, num_classes: int, recipe: Recipe, peers: PeerPredictions, seed: int
) -> TrainingTargets:
    """Return images and soft targets as the recipe says; behind them those that members have labelled.

    Raises ValueError where the recipe needs votes, ratings, a teacher or out-of-fold predictions that are missing.
    """
    own, more = _own_targets(split, num_classes, recipe, peers, seed), peers.more
    if more is None:
        return own
    if own.affect is not None and recipe.affect:
        raise ValueError("recipe.affect needs valence and arousal, which images without labels have not")
    images = np.concatenate([own.images, more.images])
    return TrainingTargets(images, np.concatenate([own.targets, _one_hot(more.targets, num_classes)]))


def _own_targets(
    split: LabelledImages, num_classes: int, recipe: Recipe, peers: PeerPredictions, seed: int
) -> TrainingTargets:
    if recipe.affect and split.affect is None:
        raise ValueError("recipe.affect needs valence and arousal of the training images, and this data set has none")
    if recipe.oversample != "none":
        from zoo.training.sampling import oversample

        images, targets = oversample(split.images, split.targets, recipe.oversample, seed)
        return TrainingTargets(images, _one_hot(targets, num_classes))
    labels = recipe.labels
    targets = _one_hot(split.targets, num_classes)
    if labels.votes:
        targets = _voted(targets, split.votes, labels)
    if labels.teacher and not labels.matched:  # else its share depends on the view
        targets = _distilled(targets, _needed(peers.teacher, "teacher"), labels)
    affect = None if split.affect is None else split.affect.astype(np.float32)
    if not labels.clean:
        return TrainingTargets(split.images, targets.astype(np.float32), affect)
    out_of_fold = _needed(peers.judge, "out-of-fold predictions")
    rows, targets = _cleaned(split.targets, targets, out_of_fold, labels)
    return TrainingTargets(
        split.images[rows], targets[rows].astype(np.float32), None if affect is None else affect[rows]
    )


def sample_class(targets: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one class from each distribution [B,K]; return it as one-hot [B,K] of the same type."""
    classes = torch.multinomial(targets, 1, generator=generator)
    return torch.zeros_like(targets).scatter_(1, classes, 1.0)


def self_confidence(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the probability [N] that out-of-fold predictions [N,K] give each image's own label (arXiv:1911.00068)."""
    return probabilities[np.arange(len(targets)), targets]


def _one_hot(targets: np.ndarray, num_classes: int) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[targets]


def _voted(targets: np.ndarray, votes: np.ndarray | None, labels: Labels) -> np.ndarray:
    if votes is None:
        raise ValueError("the recipe's labels.votes needs annotators' votes, and this data set has none")
    shares = (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
    return (1 - labels.votes_weight) * targets + labels.votes_weight * shares


def _needed(probabilities: np.ndarray | None, what: str) -> np.ndarray:
    if probabilities is None:
        raise ValueError(f"the recipe needs the {what}, and none were handed to the training")
    return probabilities


def _distilled(targets: np.ndarray, teacher: np.ndarray, labels: Labels) -> np.ndarray:
    softened = teacher ** (1 / labels.temperature)
    softened /= softened.sum(axis=1, keepdims=True)
    return (1 - labels.teacher_weight) * targets + labels.teacher_weight * softened


def _cleaned(
    given: np.ndarray, targets: np.ndarray, out_of_fold: np.ndarray, labels: Labels
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that stay, in their order, and targets in which doubtful images may have a new label.

    A doubtful image stays, with the judge's label, where the judge is sure of it: `labels.pseudo`.
    """
    doubt = np.argsort(self_confidence(out_of_fold, given), kind="stable")[: round(labels.clean * len(given))]
    stays = np.ones(len(given), dtype=bool)
    stays[doubt] = False
    if labels.pseudo:
        back = doubt[out_of_fold[doubt].max(axis=1) >= labels.pseudo]
        stays[back] = True
        targets = targets.copy()
        targets[back] = _one_hot(out_of_fold[back].argmax(axis=1), targets.shape[1])
    return np.flatnonzero(stays), targets

"""Cross-validated training: one network for each fold, which gives out-of-fold logits on the training images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zoo.inference.predict import predict
from zoo.state_dicts import join
from zoo.training.job import LabelledImages, PeerPredictions, Splits, TrainContext, TrainJob
from zoo.training.loop import Trained, together, train


@dataclass(frozen=True)
class Subset:
    """Some rows of a split."""

    images: np.ndarray
    targets: np.ndarray
    votes: np.ndarray | None
    affect: np.ndarray | None
    groups: np.ndarray | None

    @classmethod
    def of(cls, split: LabelledImages, rows: np.ndarray) -> Subset:
        """Take these rows of a split, in the order given."""
        optional = (None if part is None else part[rows] for part in (split.votes, split.affect, split.groups))
        return cls(split.images[rows], split.targets[rows], *optional)


def train_folds(job: TrainJob, context: TrainContext) -> Trained:
    """Train as many networks as the recipe has folds, stratified by class; errors are those of `train`.

    Each fold has a checkpoint of its own, so a stopped run goes on in the fold where it stopped. Where the data has
    groups, images of one group are held out together. ValueError where it has fewer groups than the recipe folds.
    """
    member, train_split, num_classes = job.member, job.data.train, job.num_classes
    out_of_fold = np.zeros((len(train_split.targets), num_classes), dtype=np.float32)
    done: list[Trained] = []
    accuracies = []
    for index, (seen, held_out) in enumerate(fold_rows(train_split, member.recipe.folds, job.seed)):
        data = Splits(Subset.of(train_split, seen), job.data.val)
        trained = train(replace(job.network(index), data=data, peers=_rows(job.peers, seen)), context)
        done.append(trained)
        out_of_fold[held_out] = predict(
            member, trained.weights, train_split.images[held_out], num_classes, context.device
        )
        accuracies.append(float((out_of_fold[held_out].argmax(1) == train_split.targets[held_out]).mean()))
    joined = together(done, join([trained.weights for trained in done]), "fold", out_of_fold)
    return replace(joined, fold_accuracies=accuracies)


def fold_rows(split: LabelledImages, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divide a split into folds: the rows that each network sees, and those held out from it."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if split.groups is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(split.targets, split.targets))
    if (count := len(np.unique(split.groups))) < folds:
        raise ValueError(f"the training images are of {count} groups, fewer than recipe.folds={folds}")
    by_group = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(by_group.split(split.targets, split.targets, split.groups))


def _rows(peers: PeerPredictions, rows: np.ndarray) -> PeerPredictions:
    teacher, judge = (None if given is None else given[rows] for given in (peers.teacher, peers.judge))
    return replace(peers, teacher=teacher, judge=judge)

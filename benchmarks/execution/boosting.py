"""Members whose classifier is XGBoost on the penultimate features of a trained network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.data import Dataset
from benchmarks.provenance import cpu_cores
from benchmarks.store.identity import Configuration
from zoo.training.job import Progress, TrainContext

if TYPE_CHECKING:
    from zoo.feature_boosting import Rounds

TOLD = 50  # times that the progress of a fit is told


def fit_boosting(
    configuration: Configuration, weights: dict[str, Any], network: str, dataset: Dataset, context: TrainContext
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Fit the trees; return logits float32 [N,K] of val and test, and what the provenance says of the trees.

    The trees are fitted on features of the training images, which the network has learnt from, and stopped by val. What
    a fit that was stopped had done is a checkpoint of the member's, from which this one goes on, where the digest of
    the weights, `network`, is the same. Raises Stopped, the state saved; ValueError where the network has no dense
    classifier, or a package is missing.
    """
    from zoo.feature_boosting import FeatureBoosting

    options = configuration.member.recipe.trees
    path, images = context.checkpoints / f"{configuration.stem}.pt", len(dataset.train.images)
    fit = _Fit(context, path, options.rounds, images, network)
    train, val, test = (
        _features(configuration, weights, split.images, context.device) for split in dataset.splits().values()
    )
    trees = FeatureBoosting(
        max_rounds=options.rounds,
        learning_rate=options.learning_rate,
        max_depth=options.depth,
        smote=options.smote,
        jobs=cpu_cores(),
        random_state=configuration.seed,
    )
    targets, val_targets = dataset.train.targets, dataset.val.targets
    trees.fit(train, targets, val, val_targets, configuration.num_classes, fit.rounds, fit.after_round)
    fit.saved()
    about = {"trees_seconds": round(fit.seconds, 1), "rounds": trees.rounds_, "tta": "none"}
    return trees.predict_logits(val), trees.predict_logits(test), about


class _Fit:
    """The fit of one member's trees, with its checkpoint: that of a training whose epochs are rounds."""

    def __init__(self, context: TrainContext, path: Path, most: int, images: int, network: str) -> None:
        from zoo.feature_boosting import Rounds
        from zoo.training import checkpoint
        from zoo.training.saving import Saver

        self._context, self._most, self._images = context, most, images
        self._saver = Saver(path, context.checkpoint_every, context.saved)
        self._state = checkpoint.State()
        self._kept = _Kept(Rounds(), network)
        if path.exists():
            self._state = checkpoint.load(path, {"trees": self._kept}, "cpu") or self._state
        self.rounds = self._kept.rounds
        self._saved = self._done = self.rounds.count
        self._before, self._began = self._state.seconds, time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the fit took, with what it took before it was stopped."""
        return self._before + time.perf_counter() - self._began

    def after_round(self, kept: Rounds) -> None:
        """Save the rounds to go on from, where that is due; raise Stopped, those saved, where the context asks so."""
        from zoo.training.loop import Stopped

        self._done += 1
        reason = self._context.stop()
        if kept.count > self._saved and (reason or self._saver.is_due):
            self._save(kept)
        if reason:
            self.saved()
            raise Stopped(reason)
        if self._done % max(1, self._most // TOLD) == 0:
            self._context.progress(self._progress())

    def saved(self) -> None:
        """Wait until what was to be saved is."""
        self._noting(self._saver.wait)

    def _save(self, kept: Rounds) -> None:
        self._state.epoch, self._state.seconds = kept.count, self.seconds
        self._noting(partial(self._saver.save, self._state, {"trees": replace(self._kept, rounds=kept)}))
        self._saved = kept.count

    def _noting(self, save: Callable[[], None]) -> None:
        try:
            save()
        except OSError as error:
            self._context.note(f"the trees so far cannot be saved ({error}); a stop would lose them")

    def _progress(self) -> Progress:
        done, most = self._done, self._most
        each = self.seconds / done
        return Progress(done, most, done, most, self._images / each, (most - done) * each, None, unit="round")


@dataclass
class _Kept:
    """Rounds as a checkpoint holds them, with the digest of the network's weights."""

    rounds: Rounds
    network: str

    def state_dict(self) -> dict[str, Any]:
        return {"trees": self.rounds.trees, "losses": self.rounds.losses, "network": self.network}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        from zoo.feature_boosting import Rounds

        if state["network"] != self.network:
            raise ValueError("its rounds are on the features of other weights")
        self.rounds = Rounds(state["trees"], state["losses"])


def _features(configuration: Configuration, weights: dict[str, Any], images: np.ndarray, device: str) -> np.ndarray:
    from zoo.inference.predict import predict_features

    return predict_features(configuration.member, weights, images, configuration.num_classes, device)

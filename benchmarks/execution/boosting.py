"""Members whose classifier is XGBoost on the penultimate features of a trained network."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.data import Dataset
from benchmarks.provenance import cpu_cores
from benchmarks.store.identity import Configuration


def fit_boosting(
    configuration: Configuration, weights: dict[str, Any], dataset: Dataset, device: str
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Fit the trees; return logits float32 [N,K] of val and test, and what the provenance says of the trees.

    The trees are fitted on features of the training images, which the network has learnt from, and stopped by val.
    Raises ValueError where the network has no dense classifier, or a package is missing.
    """
    from zoo.feature_boosting import FeatureBoosting

    began = time.perf_counter()
    options = configuration.member.recipe.trees
    train, val, test = (_features(configuration, weights, split.images, device) for split in dataset.splits().values())
    trees = FeatureBoosting(
        max_rounds=options.rounds,
        learning_rate=options.learning_rate,
        max_depth=options.depth,
        smote=options.smote,
        jobs=cpu_cores(),
        random_state=configuration.seed,
    )
    trees.fit(train, dataset.train.targets, val, dataset.val.targets, configuration.num_classes)
    about = {"trees_seconds": round(time.perf_counter() - began, 1), "rounds": trees.rounds_, "tta": "none"}
    return trees.predict_logits(val), trees.predict_logits(test), about


def _features(configuration: Configuration, weights: dict[str, Any], images: np.ndarray, device: str) -> np.ndarray:
    from zoo.inference.predict import predict_features

    return predict_features(configuration.member, weights, images, configuration.num_classes, device)

"""Tiny made-up data sets and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.data import Split
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets
from zoo import registry

FACES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PROVENANCE: dict[str, Any] = {
    "device": "abacus",
    "device_kind": "cpu",
    "cpu_cores": 1,
    "train_seconds": 12.5,
    "images_per_second": 1000.0,
    "best_epoch": 2,
    "params": 10,
    "macs": 100,
    "tta": "flip",
    "reference": "arXiv:0000.00000",
    "code": "0123456789ab",
    "created": "2024-01-01",
}
HISTORY = [{"epoch": 1, "val_accuracy": 0.25}, {"epoch": 2, "val_accuracy": 1 / 3}]


def stripes(count: int, seed: int, size: int = 16) -> Split:
    """Noisy images of three classes: stripes across, stripes down, and a checkerboard, all at random offsets."""
    random = np.random.default_rng(seed)
    targets = np.arange(count, dtype=np.int64) % 3
    offsets = random.integers(0, 4, (2, count, 1, 1))
    down, across = (np.arange(size)[:, None] + offsets[0]) // 2 % 2, (np.arange(size) + offsets[1]) // 2 % 2
    patterns = np.stack([down + 0 * across, across + 0 * down, down ^ across])
    ideal = patterns[targets, np.arange(count)] * 150 + 50
    images = np.clip(ideal + random.normal(0, 20, ideal.shape), 0, 255).astype(np.uint8)[:, None]
    return Split(images, targets, [str(row) for row in range(count)])


def stored_predictions(
    store: PredictionStore, targets: Targets, name: str, *, seed: int = 0, skill: float = 1.0, **changes: Any
) -> Predictions:
    """Random logits of a registered member, better with more `skill`, in the store."""
    configuration = Configuration(registry.get(name), seed, targets.fingerprint, len(targets.classes))
    random = np.random.default_rng([seed, *name.encode()])
    classes = len(targets.classes)
    val, test = (
        (skill * np.eye(classes)[truth] + random.normal(size=(len(truth), classes))).astype(np.float32)
        for truth in (targets.val, targets.test)
    )
    return store.save(Predictions(configuration, val, test, {**PROVENANCE, **changes}), HISTORY)

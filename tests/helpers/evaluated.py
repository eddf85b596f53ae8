"""Results of random predictions, searched and scored as a run does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.evaluation.evaluate import evaluate
from benchmarks.pipeline import search_fold
from benchmarks.session import Options, Session
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions


def evaluated(folder: Path, targets: Targets, *members: tuple[str, int, float], **changes: Any) -> Any:
    """Results of random predictions of members (name, seed, skill), ensembles of few kinds, nothing drawn."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    found = [
        stored_predictions(store, targets, name, seed=seed, skill=skill, **changes) for name, seed, skill in members
    ]
    kinds = ("best_single", "uniform", "top_k", "greedy", "stack_logistic")
    session = Session(Options("fer2013", results=folder, ensemblers=kinds))
    searched = search_fold(session, session.folds[0], found)
    return evaluate(session.suite, searched, folder, not_run=[], notes=[])

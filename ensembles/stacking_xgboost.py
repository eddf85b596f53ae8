"""Stacking by gradient-boosted trees: a second model learns from the members' outputs, starting from their average."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, softmax
from ensembles.base import Ensembler
from ensembles.inputs import by_sample
from ensembles.registry import register
from ensembles.splits import stratified_splits

XGBOOST_ALONE = "ENSEMBLES_XGBOOST_ALONE"
"""The environment variable of processes that use nothing of xgboost but trees.

There it is imported without scikit-learn, which its own estimators need: in a quarter of the time.
"""


@register
@dataclass
class StackXGBoost(Ensembler):
    """Gradient-boosted trees (`multi:softprob`) on the members' outputs, boosting the uniform average.

    The trees are shallow and start from the log of the mean probability, so that no tree at all is the uniform average.
    Their number (`rounds_`) is where the log-loss of an inner stratified hold-out stops falling; all data is then
    fitted with it. They see the members' probabilities; logits would give the same trees, which ask for the order of
    values alone. Between splits that are equally good, the earlier member's is taken. The fitted trees (`model_`) are
    kept as the bytes of xgboost's own format. One thread gives the same result on every machine. ImportError where
    xgboost is missing.

    Chen and Guestrin 2016: doi:10.1145/2939672.2939785
    """

    max_rounds: int = 60
    patience: int = 5
    learning_rate: float = 0.3
    max_depth: int = 2
    reg_lambda: float = 10.0
    random_state: int = 0

    name: ClassVar[str] = "stack_xgboost"
    title: ClassVar[str] = "Stacking, XGBoost"
    reference: ClassVar[str] = "doi:10.1145/2939672.2939785"
    complexity: ClassVar[int] = 5
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "As `stack_mlp`, by trees; needs many images, or it overfits"
    fitted: ClassVar[tuple[str, ...]] = ("rounds_", "model_")
    library: ClassVar[str] = "xgboost"
    stacks: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        xgboost = import_xgboost(self.name)
        probabilities = softmax(logits)
        parameters = {
            "objective": "multi:softprob",
            "num_class": logits.shape[2],
            "tree_method": "hist",
            "max_bin": 16,
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "reg_lambda": self.reg_lambda,
            "eval_metric": "mlogloss",
            "nthread": 1,
            "seed": self.random_state,
        }
        fit, held_out = stratified_splits(targets, 4, 1, self.random_state)[0]
        stopped = xgboost.train(
            parameters,
            self._matrix(probabilities.take(fit, axis=1), targets[fit]),
            num_boost_round=self.max_rounds,
            evals=[(self._matrix(probabilities.take(held_out, axis=1), targets[held_out]), "held_out")],
            early_stopping_rounds=self.patience,
            verbose_eval=False,
        )
        self.rounds_ = int(stopped.best_iteration) + 1
        booster = xgboost.train(parameters, self._matrix(probabilities, targets), num_boost_round=self.rounds_)
        self.model_ = np.frombuffer(booster.save_raw("ubj"), dtype=np.uint8)

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        booster = import_xgboost(self.name).Booster({"nthread": 1})
        booster.load_model(bytearray(self.model_.tobytes()))
        scores = booster.predict(self._matrix(softmax(logits)), output_margin=True)
        return softmax(scores)  # again in float64: xgboost's own rows sum to one in float32 only

    def _matrix(self, probabilities: FloatArray, targets: IntArray | None = None) -> Any:
        """Return probabilities `[M, N, C]` as xgboost's `[N, M * C]`; the log of their mean is its base margin."""
        margin = np.log(np.maximum(probabilities.mean(axis=0), 1e-12))
        matrix = import_xgboost(self.name).DMatrix
        return matrix(by_sample(probabilities), label=targets, base_margin=margin, nthread=1)


def import_xgboost(purpose: str) -> Any:
    """Return the package; ImportError says what needs it and how to install it."""
    try:
        with _hidden("sklearn") if os.environ.get(XGBOOST_ALONE) else nullcontext():
            import xgboost
    except ImportError as error:
        raise ImportError(f"{purpose} needs xgboost: pip install xgboost") from error
    return xgboost


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let imports find no such package, unless it is there already."""
    sys.modules.setdefault(package, None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if sys.modules[package] is None:
            del sys.modules[package]

"""Boosted trees on a network's penultimate features: the second half of the EfficientNet-XGBoost classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

STRETCH = 10  # rounds after which a fit begins anew with its trees: what xgboost draws hangs on where that was
MOST_NEIGHBOURS = 5  # of SMOTE, as in its paper; fewer where the smallest class has fewer


@dataclass(frozen=True)
class Rounds:
    """Rounds of a fit that are done: the trees, bytes of xgboost's own format, and the log-loss on validation after
    each round."""

    trees: bytes = b""
    losses: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.losses)

    @property
    def best(self) -> int:
        """How many rounds have the lowest log-loss; 0 before the first."""
        return int(np.argmin(self.losses)) + 1 if self.losses else 0


@dataclass
class FeatureBoosting:
    """Train XGBoost (`multi:softprob`) on features of a trained network, stopping early on validation features.

    `smote` adds synthetic features to the rarer train classes until all are as large as the largest (needs
    imbalanced-learn); validation is never touched. The fitted trees (`model_`) are the bytes of xgboost's own format,
    cut after the round (`rounds_`) with the lowest validation log-loss. `jobs` threads do not change the result on a
    CPU; `device` may be "cuda". ImportError where a package is missing.

    Punuri et al. 2023: doi:10.3390/math11030776. SMOTE, Chawla et al. 2002: doi:10.1613/jair.953
    """

    max_rounds: int = 500
    patience: int = 20
    learning_rate: float = 0.1
    max_depth: int = 6
    subsample: float = 0.8
    colsample_bytree: float = 0.5
    reg_lambda: float = 1.0
    smote: bool = False
    jobs: int = 1
    device: str = "cpu"
    random_state: int = 0

    name: ClassVar[str] = "feature_boosting"
    title: ClassVar[str] = "XGBoost on features"
    reference: ClassVar[str] = "doi:10.3390/math11030776"
    fitted: ClassVar[tuple[str, ...]] = ("num_classes_", "rounds_", "feature_count_", "model_")

    def fit(
        self,
        features: npt.ArrayLike,
        targets: npt.ArrayLike,
        val_features: npt.ArrayLike,
        val_targets: npt.ArrayLike,
        num_classes: int | None = None,
        begun: Rounds | None = None,
        after_round: Callable[[Rounds], None] = lambda rounds: None,
    ) -> Self:
        """Fit on train features `[N, F]` and targets `[N]`, stop on validation features `[V, F]` and targets `[V]`.

        `num_classes` is needed where the last classes may be absent from all targets. A fit goes on from the rounds
        that another has `begun` on the same data: the trees are the same as without a break. `after_round` is called
        with the rounds to go on from, of which there are more after every tenth; it ends the fit by raising.
        ValueError on bad input.
        """
        xgboost = _import_xgboost()
        train, held_out = _check_features(features), _check_features(val_features)
        if train.shape[1] != held_out.shape[1]:
            raise ValueError(f"{train.shape[1]} features to fit on, {held_out.shape[1]} to stop on")
        self.num_classes_ = num_classes or int(max(np.max(targets), np.max(val_targets))) + 1
        truth = _check_targets(targets, len(train), self.num_classes_)
        val_truth = _check_targets(val_targets, len(held_out), self.num_classes_)
        if self.smote:
            train, truth = _oversample(train, truth, self.random_state)
        learnt = xgboost.DMatrix(train, label=truth, nthread=self.jobs)
        unseen = xgboost.DMatrix(held_out, label=val_truth, nthread=self.jobs)
        kept = done = begun or Rounds()
        booster = self._booster(kept, [learnt, unseen])
        while True:
            booster.update(learnt, done.count)
            done = Rounds(losses=(*done.losses, float(booster.eval(unseen).rpartition(":")[2])))
            after_round(kept)
            if done.count >= self.max_rounds or done.count - done.best >= self.patience:
                break
            if done.count % STRETCH == 0:
                kept = Rounds(bytes(booster.save_raw("ubj")), done.losses)
                booster = self._booster(kept, [learnt, unseen])
        self.rounds_ = done.best
        self.feature_count_ = train.shape[1]
        self.model_ = np.frombuffer(booster[: self.rounds_].save_raw("ubj"), dtype=np.uint8)
        return self

    def predict_logits(self, features: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return logits `[N, classes]`, float32, of features `[N, F]`; ValueError on bad input or before `fit`."""
        if not hasattr(self, "model_"):
            raise ValueError(f"{self.name} is not fitted: call fit first")
        checked = _check_features(features)
        if checked.shape[1] != self.feature_count_:
            raise ValueError(f"fitted on {self.feature_count_} features, got {checked.shape[1]}")
        xgboost = _import_xgboost()
        booster = xgboost.Booster({"nthread": self.jobs, "device": self.device})
        booster.load_model(bytearray(self.model_.tobytes()))
        margins = booster.predict(xgboost.DMatrix(checked, nthread=self.jobs), output_margin=True)
        return np.asarray(margins, dtype=np.float32)

    def predict_proba(self, features: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return probabilities `[N, classes]`, float64, of features `[N, F]`; rows sum to one."""
        logits = self.predict_logits(features).astype(np.float64)
        probabilities: npt.NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def _booster(self, done: Rounds, data: list[Any]) -> Any:
        """Return what goes on from these rounds, with random numbers of its own."""
        xgboost = _import_xgboost()
        seed = np.random.SeedSequence([self.random_state, done.count]).generate_state(1)[0] >> 1
        parameters = {**self._parameters(), "seed": int(seed)}
        return xgboost.Booster(parameters, cache=data, model_file=bytearray(done.trees) or None)

    def _parameters(self) -> dict[str, Any]:
        return {
            "objective": "multi:softprob",
            "eval_metric": "mlogloss",
            "tree_method": "hist",
            "num_class": self.num_classes_,
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_lambda": self.reg_lambda,
            "nthread": self.jobs,
            "device": self.device,
        }


def _check_features(features: npt.ArrayLike) -> npt.NDArray[np.float32]:
    array = np.asarray(features, dtype=np.float32)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"features must have the shape [samples, features], got {list(array.shape)}")
    if not np.isfinite(array).all():
        sample, feature = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"features must be finite; the first that is not is at sample {sample}, feature {feature}")
    return array


def _check_targets(targets: npt.ArrayLike, samples: int, classes: int) -> npt.NDArray[np.int64]:
    array = np.asarray(targets)
    if array.dtype.kind not in "iu" or array.shape != (samples,):
        raise ValueError(f"targets must be integers [{samples}], got {array.dtype} {list(array.shape)}")
    outside = np.flatnonzero((array < 0) | (array >= classes))
    if outside.size:
        raise ValueError(
            f"targets must lie in 0..{classes - 1}; {outside.size} do not, the first at sample {outside[0]}: "
            f"{array[outside[0]]}"
        )
    return array.astype(np.int64, copy=False)


def _import_xgboost() -> Any:
    try:
        import xgboost
    except ImportError as error:
        raise ImportError("feature_boosting needs xgboost: pip install xgboost") from error
    return xgboost


def _oversample(
    features: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], random_state: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    try:
        from imblearn.over_sampling import SMOTE
    except ImportError as error:
        raise ImportError("smote=True needs imbalanced-learn: pip install imbalanced-learn") from error
    counts = np.bincount(targets)
    smallest = int(counts[counts > 0].min())
    if smallest < 2:
        raise ValueError(f"smote=True needs two samples of each class; class {np.flatnonzero(counts == 1)[0]} has one")
    sampler = SMOTE(k_neighbors=min(MOST_NEIGHBOURS, smallest - 1), random_state=random_state)
    more, labels = sampler.fit_resample(features, targets)
    return np.asarray(more, dtype=np.float32), np.asarray(labels, dtype=np.int64)

"""Stacking: a second model learns from the members' outputs. Both models here start from a pool of the members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ensembles.arrays import FloatArray, IntArray, LogitArray, log_softmax, one_blas_thread, softmax
from ensembles.base import Ensembler
from ensembles.calibration import temperature
from ensembles.common_scale import OnCommonScale
from ensembles.inputs import by_sample, member_outputs, spreads
from ensembles.registry import register
from ensembles.splits import stratified_splits
from ensembles.strengths import FLOAT32_TIE, check_strengths

ENOUGH_TO_COMPARE = 1e-8  # of the loss, where strengths differ by 1e-3 of it and more: two thirds of the steps
MOST_FEATURES = 4_000  # of members and classes; a minute's work
USUAL_VARIANCE = 0.1  # a usual p * (1 - p), the curvature of the cross-entropy; it sets speed, not the result


@register
@dataclass
class StackLogistic(OnCommonScale):
    """Multinomial logistic regression on the members' outputs, shrunk towards their log-opinion pool.

    `inputs` are logits (log-probabilities) or probabilities, of every member at its own temperature and divided by
    their spread: a multiple of a member's logits changes nothing. The L2 penalty draws the coefficients to the
    equal-weight pool (the mean of log-probabilities, at its best temperature) and not to zero: the stronger the
    penalty, the nearer to plain averaging, which is hard to beat, and a class that is absent from the targets still
    follows what the members say of it. The strength (`strength_`) is the one with the lowest log-loss in stratified
    cross-validation inside `fit`. Needs scipy and scikit-learn. ValueError for more than 4,000 inputs.

    Wolpert 1992: doi:10.1016/S0893-6080(05)80023-1
    """

    strengths: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)
    folds: int = 3
    inputs: str = "logits"
    random_state: int = 0

    name: ClassVar[str] = "stack_logistic"
    title: ClassVar[str] = "Stacking, logistic regression"
    reference: ClassVar[str] = "doi:10.1016/S0893-6080(05)80023-1"
    complexity: ClassVar[int] = 4
    cost: ClassVar[str] = "medium"
    use_when: ClassVar[str] = "Thousands of images, or out-of-fold predictions of the training images"
    fitted: ClassVar[tuple[str, ...]] = ("spreads_", "inverse_temperature_", "strength_", "coef_")
    stacks: ClassVar[bool] = True

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        self.learn_scale(logits, targets)
        scaled = self.on_common_scale(logits)
        outputs, pool = member_outputs(scaled, self.inputs), scaled.mean(axis=0)
        self.spreads_ = spreads(outputs)
        if outputs.shape[0] * outputs.shape[2] > MOST_FEATURES:
            raise ValueError(
                f"{outputs.shape[0]:,} members of {outputs.shape[2]:,} classes are more than {MOST_FEATURES:,} inputs, "
                f"with whose square the time of {self.name} grows: give it fewer members"
            )
        self.inverse_temperature_ = 1.0 / temperature(pool, targets)
        features, offset = self._features(outputs), self.inverse_temperature_ * pool
        with one_blas_thread():
            self.strength_ = self._choose_strength(features, offset, targets)
            self.coef_ = _Ridge(features, offset, targets).fit(self.strength_)

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        scaled = self.on_common_scale(logits)
        offset = self.inverse_temperature_ * scaled.mean(axis=0)
        return softmax(offset + self._features(member_outputs(scaled, self.inputs)) @ self.coef_)

    def _features(self, outputs: FloatArray) -> FloatArray:
        """Return the regression's features `[samples, members * classes + 1]`, the last of which is a constant.

        They are divided by each member's spread, and by the root of the number of members, so that a strength means the
        same for 5 members and for 50.
        """
        rows = by_sample(outputs / (self.spreads_ * np.sqrt(len(outputs))))
        return np.hstack([rows, np.ones((len(rows), 1))])

    def _choose_strength(self, features: FloatArray, offset: FloatArray, targets: IntArray) -> float:
        splits = stratified_splits(targets, self.folds, 1, self.random_state)
        # Strengths differ by far more than float32 rounds, and its products take half the time.
        fits = [_Ridge(features[fit], offset[fit], targets[fit], np.float32) for fit, _ in splits]
        strengths = check_strengths(self.strengths)
        lowest, best = np.inf, strengths[0]
        for strength in strengths:
            loss = 0.0
            for ridge, (_, held_out) in zip(fits, splits, strict=True):
                scores = log_softmax(offset[held_out] + features[held_out] @ ridge.fit(strength, ENOUGH_TO_COMPARE))
                loss -= float(scores[np.arange(len(held_out)), targets[held_out]].sum())
            if loss >= lowest * (1.0 - FLOAT32_TIE):
                break  # the loss has one valley along the path, and the weakest penalties cost the most time
            lowest, best = loss, strength
        return best


class _Ridge:
    """Minimise mean cross-entropy(offset + features @ W) + strength / 2 * |W|^2, for one strength after another.

    It is a convex problem. L-BFGS works in coordinates where the Hessian is near the identity (eigenvectors of the
    features' second moment, scaled): members agree so much that the plain problem is badly conditioned. Each fit starts
    where the last one ended. Inside, samples are the last axis: with few classes, sums over a long inner axis take half
    the time. `precision` is that of the loss's products; sums over samples are float64.
    """

    def __init__(
        self, features: FloatArray, offset: FloatArray, targets: IntArray, precision: npt.DTypeLike = np.float64
    ) -> None:
        moments, self.axes = np.linalg.eigh(features.T @ features / len(features))
        self.moments = np.maximum(moments, 0.0)
        self.rotated = (self.axes.T @ features.T).astype(precision)  # [features, samples]
        self.offset = np.ascontiguousarray(offset.T, dtype=precision)  # [classes, samples]
        self.indicators = np.ascontiguousarray(np.eye(offset.shape[1])[targets].T, dtype=precision)
        self.coef = np.zeros((offset.shape[1], features.shape[1]))  # of the rotated features

    def fit(self, strength: float, tolerance: float = 1e-11) -> FloatArray:
        """Return coefficients `[features, classes]` at this strength, up to a `tolerance` of the loss."""
        from scipy.optimize import minimize

        samples = self.offset.shape[1]
        curvature = np.sqrt(USUAL_VARIANCE * self.moments + strength)
        design = self.rotated / curvature[:, None].astype(self.rotated.dtype)

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            scaled = flat.reshape(self.coef.shape)
            coef = scaled / curvature
            scores = self.offset + scaled.astype(design.dtype) @ design
            scores -= scores.max(axis=0)
            true = np.einsum("cn,cn->n", self.indicators, scores)
            residual = np.exp(scores)
            total = residual.sum(axis=0)
            cross_entropy = (np.log(total) - true).sum(dtype=np.float64)
            residual /= total
            residual -= self.indicators
            gradient = residual @ design.T / samples + strength * coef / curvature
            return float(cross_entropy / samples + strength / 2 * np.vdot(coef, coef)), gradient.ravel()

        options = {"gtol": 1e-6, "ftol": tolerance, "maxiter": 500}
        minimum = minimize(loss, (self.coef * curvature).ravel(), jac=True, method="L-BFGS-B", options=options)
        self.coef = minimum.x.reshape(self.coef.shape) / curvature
        coefficients: FloatArray = self.axes @ self.coef.T
        return coefficients


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
    patience: int = 10
    learning_rate: float = 0.2
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
            self._matrix(probabilities[:, fit], targets[fit]),
            num_boost_round=self.max_rounds,
            evals=[(self._matrix(probabilities[:, held_out], targets[held_out]), "held_out")],
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
        import xgboost
    except ImportError as error:
        raise ImportError(f"{purpose} needs xgboost: pip install xgboost") from error
    return xgboost

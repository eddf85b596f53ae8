"""Stacking by logistic regression: a second model learns from the members' outputs, starting from a pool of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from ensembles.arrays import FloatArray, IntArray, LogitArray, one_blas_thread, softmax
from ensembles.calibration import temperature
from ensembles.common_scale import OnCommonScale
from ensembles.inputs import member_outputs, spreads
from ensembles.registry import register
from ensembles.splits import stratified_splits
from ensembles.strengths import FLOAT32_TIE, check_strengths

ENOUGH_TO_COMPARE = 3e-7  # of the loss, where strengths differ by 1e-3 of it and more: so many steps do, in float32
MOST_FEATURES = 4_000  # of members and classes; a minute's work
PRECISE = 1e-13  # of the loss, where no steps of Newton's help
FLAT, FLAT_ENOUGH = 3e-8, 1e-7  # slopes of the loss where its curvature is near 1; the first is 2e-7 of a probability
STEP_PRECISION, MOST_STEPS, MOST_PRODUCTS = 1e-3, 8, 100  # of a step of Newton's; how many, and products for each


@register
@dataclass
class StackLogistic(OnCommonScale):
    """Multinomial logistic regression on the members' outputs, shrunk towards their log-opinion pool.

    `inputs` are logits (log-probabilities) or probabilities, of every member at its own temperature and divided by
    their spread: a multiple of a member's logits changes nothing. The L2 penalty draws the coefficients to the
    equal-weight pool (the mean of log-probabilities, at its best temperature) and not to zero: the stronger the
    penalty, the nearer to plain averaging, which is hard to beat, and a class that is absent from the targets still
    follows what the members say of it. The strength (`strength_`) is the one with the lowest log-loss in stratified
    cross-validation inside `fit`. Needs scipy. ValueError for more than 4,000 inputs.

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
            ridge = _Ridge(features, offset, targets)
            self.strength_, start = self._choose_strength(ridge, targets)
            self.coef_ = ridge.fit(self.strength_, start)

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        scaled = self.on_common_scale(logits)
        offset = self.inverse_temperature_ * scaled.mean(axis=0)
        return softmax(offset + self._features(member_outputs(scaled, self.inputs)) @ self.coef_)

    def _features(self, outputs: FloatArray) -> FloatArray:
        """Return the regression's features `[samples, members * classes + 1]`, the last of which is a constant.

        They are divided by each member's spread, and by the root of the number of members, so that a strength means the
        same for 5 members and for 50.
        """
        members, samples, classes = outputs.shape
        features = np.ones((samples, members * classes + 1))
        by_member = features[:, :-1].reshape(samples, members, classes)  # a view
        scale = self.spreads_ * np.sqrt(members)
        np.divide(outputs.transpose(1, 0, 2), scale.transpose(1, 0, 2), out=by_member)
        return features

    def _choose_strength(self, ridge: _Ridge, targets: IntArray) -> tuple[float, FloatArray]:
        """Return the strength, and the mean of the folds' coefficients at it: where the fit to all samples starts."""
        held_out = np.zeros((self.folds, len(targets)), dtype=bool)
        for fold, (_, samples) in enumerate(stratified_splits(targets, self.folds, 1, self.random_state)):
            held_out[fold, samples] = True
        shares = ~held_out / np.count_nonzero(~held_out, axis=1, keepdims=True)
        strengths = check_strengths(self.strengths)
        lowest, best, coef, start = np.inf, strengths[0], None, np.zeros(0)
        for strength in strengths:
            coef, losses = ridge.compare(strength, shares, coef)
            loss = float(losses[held_out].sum(dtype=np.float64))
            if loss >= lowest * (1.0 - FLOAT32_TIE):
                break  # the loss has one valley along the path, and the weakest penalties cost the most time
            lowest, best, start = loss, strength, coef.mean(axis=0, keepdims=True)
        return best, start


@dataclass(frozen=True, eq=False)
class _Samples:
    """What the regression is fitted to, in one precision. Samples are the last axis: with few classes, sums over a long
    inner axis take half the time."""

    inputs: LogitArray  # [features, samples], along the directions of _Ridge
    offset: LogitArray  # [classes, samples]
    indicators: LogitArray  # [classes, samples]: 1 for the truth

    def in_float32(self) -> _Samples:
        return _Samples(*(array.astype(np.float32) for array in (self.inputs, self.offset, self.indicators)))

    def products(self, coef: FloatArray) -> LogitArray:
        """Return coef @ inputs, `[fits, classes, samples]`, of coefficients `[fits, classes, features]`."""
        rows = coef.reshape(-1, len(self.inputs)).astype(self.inputs.dtype)
        products: LogitArray = (rows @ self.inputs).reshape(*coef.shape[:2], -1)
        return products

    def transposed_products(self, columns: LogitArray) -> LogitArray:
        """Return columns @ inputs.T, `[fits, classes, features]`, of columns `[fits, classes, samples]`."""
        flat = columns.reshape(-1, self.inputs.shape[1])
        products: LogitArray = (flat @ self.inputs.T).reshape(*columns.shape[:2], -1)
        return products

    def likelihood(self, coef: FloatArray) -> tuple[LogitArray, LogitArray]:
        """Return the log-loss of every sample, `[fits, samples]`, and the probabilities `[fits, classes, samples]`."""
        scores = self.products(coef)
        scores += self.offset
        scores -= scores.max(axis=1, keepdims=True)
        true = np.einsum("cn,kcn->kn", self.indicators, scores)
        probabilities = np.exp(scores, out=scores)
        total = probabilities.sum(axis=1, keepdims=True)
        probabilities /= total
        return np.log(total[:, 0]) - true, probabilities


class _Ridge:
    """Minimise mean cross-entropy(offset + features @ W) + strength / 2 * |W|^2.

    It is a convex problem, solved in coordinates where the Hessian is near the identity: members agree so much that the
    plain one is badly conditioned. In orthogonal directions of the classes and of the features the curvature at the
    pool, from which all fits start, is nearly diagonal; each pair of a class's and a feature's is scaled by it.

    Fits to several folds are one problem, in whose products the inputs are read once.
    """

    def __init__(self, features: FloatArray, offset: FloatArray, targets: IntArray) -> None:
        pool = np.ascontiguousarray(softmax(offset).T)  # [classes, samples]
        # Where the pool is unsure, the loss is curved; float32 will do for directions.
        curved = (features * np.sqrt(1.0 - (pool**2).sum(axis=0))[:, None]).astype(np.float32)
        self.axes = np.linalg.eigh((curved.T @ curved).astype(np.float64))[1]
        self.contrasts = np.linalg.eigh(np.diag(pool.sum(axis=1)) - pool @ pool.T)[1]  # [classes, classes]
        inputs = self.axes.T @ features.T
        variances = (self.contrasts.T**2) @ pool - (self.contrasts.T @ pool) ** 2
        self.curvature = np.maximum(variances @ (inputs**2).T / len(features), 0.0)  # [classes, features]
        self.exact = _Samples(inputs, np.ascontiguousarray(offset.T), np.eye(len(pool))[:, targets])
        self.rough = self.exact.in_float32()

    def compare(self, strength: float, shares: FloatArray, start: FloatArray | None) -> tuple[FloatArray, LogitArray]:
        """Return coefficients `[fits, classes, features]`, good enough to compare strengths, and the log-loss of every
        sample by them, `[fits, samples]`.

        `shares` `[fits, samples]` are those of each sample in the mean, zero where it is held out. `start` are other
        coefficients, of another strength.
        """
        coef = self._descend(self.rough, strength, shares, start, ENOUGH_TO_COMPARE)
        return coef, self.rough.likelihood(coef)[0]

    def fit(self, strength: float, start: FloatArray) -> FloatArray:
        """Return coefficients `[features, classes]` of the features, fitted to all samples; `start` is
        `[1, classes, features]`, near the optimum."""
        samples = self.exact.inputs.shape[1]
        shares = np.full((1, samples), 1.0 / samples)
        coef = self._descend(self.rough, strength, shares, start, ENOUGH_TO_COMPARE)
        coef, steepest = self._refine(strength, coef)
        if steepest > FLAT_ENOUGH:  # far from the optimum, where the Hessian in float32 may be too rough
            coef = self._descend(self.exact, strength, shares, coef, PRECISE)
        coefficients: FloatArray = self.axes @ coef[0].T
        return coefficients

    def _descend(
        self, data: _Samples, strength: float, shares: FloatArray, start: FloatArray | None, tolerance: float
    ) -> FloatArray:
        """Minimise by L-BFGS, up to a `tolerance` of the loss; sums over samples of the loss are float64."""
        from scipy.optimize import minimize

        scale, weights = self._scale(strength), shares[:, None].astype(data.inputs.dtype)
        shape = (len(shares), *scale.shape)

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            coef = self.contrasts @ (flat.reshape(shape) * scale)
            losses, residual = data.likelihood(coef)
            residual -= data.indicators
            residual *= weights
            slope = data.transposed_products(residual) + strength * coef
            value = float(np.vdot(losses, shares) + strength / 2 * np.vdot(coef, coef))
            return value, (self.contrasts.T @ slope * scale).ravel()

        begin = np.zeros(shape) if start is None else self.contrasts.T @ start / scale
        options = {"gtol": 1e-6, "ftol": tolerance, "maxiter": 500}
        minimum = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
        found: FloatArray = self.contrasts @ (minimum.x.reshape(shape) * scale)
        return found

    def _refine(self, strength: float, coef: FloatArray) -> tuple[FloatArray, float]:
        """Take Newton's steps from near the optimum of the fit to all samples, until the slope is flat or no step makes
        it flatter; return the coefficients and the steepest slope, in the scaled coordinates.

        The slope is float64. Conjugate gradients find a step up to a thousandth of it, for which products with the
        Hessian in float32 do: what a step lacks, the next one makes good.
        """
        from scipy.sparse.linalg import LinearOperator, cg

        scale, shape, samples = self._scale(strength), coef.shape, self.exact.inputs.shape[1]

        def unscaled(flat: FloatArray) -> FloatArray:
            found: FloatArray = self.contrasts @ (flat.reshape(shape) * scale)
            return found

        def scaled(slope: LogitArray, coef: FloatArray) -> FloatArray:
            found: FloatArray = (self.contrasts.T @ (slope / samples + strength * coef) * scale).ravel()
            return found

        def slope_at(coef: FloatArray) -> tuple[FloatArray, LogitArray]:
            probabilities = self.exact.likelihood(coef)[1]
            slope = scaled(self.exact.transposed_products(probabilities - self.exact.indicators), coef)
            return slope, probabilities.astype(np.float32)

        def curved(flat: FloatArray, probabilities: LogitArray) -> FloatArray:
            along = unscaled(flat)
            change = self.rough.products(along)
            change -= (probabilities * change).sum(axis=1, keepdims=True)
            change *= probabilities
            return scaled(self.rough.transposed_products(change), along)

        slope, probabilities = slope_at(coef)
        for _ in range(MOST_STEPS):
            if np.abs(slope).max() <= FLAT:
                break
            hessian = LinearOperator(
                (slope.size, slope.size), matvec=partial(curved, probabilities=probabilities), dtype=np.float64
            )
            moved = coef + unscaled(cg(hessian, -slope, rtol=STEP_PRECISION, maxiter=MOST_PRODUCTS)[0])
            flatter, probabilities = slope_at(moved)
            if not np.abs(flatter).max() < np.abs(slope).max():
                break
            coef, slope = moved, flatter
        return coef, float(np.abs(slope).max())

    def _scale(self, strength: float) -> FloatArray:
        scale: FloatArray = 1.0 / np.sqrt(self.curvature + strength)
        return scale

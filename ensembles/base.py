"""The contract of an ensembler."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from ensembles.arrays import FloatArray, IntArray, LogitArray, pool
from ensembles.checks import check_logits, check_targets
from ensembles.estimator import Classifier
from ensembles.streaming import StackedMembers

COSTS = ("none", "low", "medium")  # of a fit, the dearest last


class Ensembler(Classifier):
    """Combines members' logits into class probabilities.

    A concrete ensembler is a dataclass. Its constructor stores the arguments as they are, and `fit` checks them. Fitted
    attributes end in an underscore, and a method that draws random numbers has a field `random_state: int = 0`. It
    overrides `_fit` and `_predict_proba`, which receive checked arrays. `fitted` names the attributes that `_fit` sets
    beside those of the classes above: what `ensembles.save` writes and `ensembles.load` sets again.

    Fitted attributes
    -----------------
    weights_ : `[members]` or `[members, classes]` array on which the combination is linear, or None where it is not
    members_used_ : int64 indices of the members that have influence
    """

    name: ClassVar[str]  # in the registry, snake_case
    title: ClassVar[str]  # in a table
    reference: ClassVar[str]  # paper id
    complexity: ClassVar[int]  # 0 is the simplest; decides between methods that score alike
    cost: ClassVar[str]  # one of COSTS; ensembles/README.md says what they mean
    use_when: ClassVar[str]  # one line for who chooses a method
    takes_features: ClassVar[bool] = False
    streams: ClassVar[bool] = False  # reads StackedMembers a block at a time; others load them whole
    library: ClassVar[str] = ""  # the distribution whose release decides what is fitted: another gives other numbers
    fitted: ClassVar[tuple[str, ...]] = ("weights_", "members_used_", "_fitted_shape_", "_fitted_features_")
    stacks: ClassVar[bool] = False  # a model on the members' outputs: may learn from out-of-fold train predictions

    weights_: FloatArray | None
    members_used_: IntArray

    def fit(
        self, logits: npt.ArrayLike | StackedMembers, targets: npt.ArrayLike, *, features: npt.ArrayLike | None = None
    ) -> Self:
        """Fit on logits `[members, samples, classes]` and integer targets `[samples]`; ValueError on bad input.

        A class that no target names keeps its column in the predictions. Where `takes_features` is true, `features`
        `[samples, F]`, such as penultimate activations, may be given; `predict_proba` then needs them, too.
        """
        checked = self._loaded(check_logits(logits))
        members, samples, classes = checked.shape
        goal, extra = check_targets(targets, samples, classes), self._extra(features, samples)
        self.weights_ = None
        self._fit(checked, goal, **extra)
        self._fitted_shape_ = (members, classes)
        self._fitted_features_ = extra["features"].shape[1] if extra else None
        if self.weights_ is None:
            self.members_used_ = self._influential(members)
        else:
            self.members_used_ = np.flatnonzero(self.weights_.reshape(members, -1).any(axis=1))
        return self

    def predict_proba(
        self, logits: npt.ArrayLike | StackedMembers, *, features: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Return probabilities `[samples, classes]`, float64; ValueError on bad input or before `fit`."""
        if not hasattr(self, "_fitted_shape_"):
            raise ValueError(f"{self.name} is not fitted: call fit first")
        checked = self._loaded(check_logits(logits, *self._fitted_shape_))
        extra = self._extra(features, checked.shape[1])
        given = extra["features"].shape[1] if extra else None
        if given != self._fitted_features_:
            raise ValueError(
                f"{self.name} was fitted on {self._fitted_features_ or 'no'} features, got {given or 'none'}"
            )
        return self._predict_proba(checked, **extra)

    def _influential(self, members: int) -> IntArray:
        """Return the members that have influence on a combination without `weights_`: all, unless a method knows."""
        return np.arange(members)

    def _loaded(self, logits: LogitArray) -> LogitArray:
        return logits if self.streams else np.asarray(logits)

    def _extra(self, features: npt.ArrayLike | None, samples: int) -> dict[str, FloatArray]:
        if features is None:
            return {}
        if not self.takes_features:
            raise ValueError(f"{self.name} takes no features")
        array = np.asarray(features, dtype=np.float64)
        if array.ndim != 2 or len(array) != samples or not np.isfinite(array).all():
            raise ValueError(f"features must be finite and have the shape [{samples}, F], got {list(array.shape)}")
        return {"features": array}

    @abstractmethod
    def _fit(self, logits: LogitArray, targets: IntArray) -> None: ...

    @abstractmethod
    def _predict_proba(self, logits: LogitArray) -> FloatArray: ...


class LinearPool(Ensembler):
    """A weighted mean of the members' probabilities: a subclass only sets `weights_` `[members]`."""

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        assert self.weights_ is not None
        pooled = pool(logits, self.weights_)
        pooled /= pooled.sum(axis=-1, keepdims=True)
        return pooled

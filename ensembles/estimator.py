"""What scikit-learn's users expect of an ensembler beside `fit` and `predict_proba`: parameters, classes, a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ensembles.streaming import StackedMembers


class Parameters:
    """The options of a dataclass under scikit-learn's names, so that `sklearn.base.clone` and `ParameterGrid` work."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The options of the constructor and their values. No option holds another estimator, so that `deep` changes
        nothing."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def set_params(self, **options: Any) -> Self:
        """Set options, which the next `fit` reads; ValueError for one that the constructor does not have, and then none
        is set."""
        known = list(self.get_params())
        for option in options.keys() - known:
            near = get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its options: {', '.join(known) or 'none'}"
            raise ValueError(f"{type(self).__name__} has no option {option!r}; {hint}")
        for option, value in options.items():
            setattr(self, option, value)
        return self


class Classifier(Parameters, ABC):
    """Classes and their accuracy, from probabilities."""

    @abstractmethod
    def predict_proba(
        self, logits: npt.ArrayLike | StackedMembers, *, features: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.float64]:
        """Probabilities `[samples, classes]`."""

    def predict(
        self, logits: npt.ArrayLike | StackedMembers, *, features: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.int64]:
        """The index of the most probable class, `[samples]`; of equal ones the first. Input and errors are those of
        `predict_proba`."""
        classes: npt.NDArray[np.int64] = self.predict_proba(logits, features=features).argmax(axis=1)
        return classes

    def score(
        self, logits: npt.ArrayLike | StackedMembers, targets: npt.ArrayLike, *, features: npt.ArrayLike | None = None
    ) -> float:
        """The accuracy on targets `[samples]`, from 0 to 1; ValueError as in `predict_proba`, or for targets of another
        shape or kind."""
        predicted, truth = self.predict(logits, features=features), np.asarray(targets)
        if truth.shape != predicted.shape or truth.dtype.kind not in "iu":
            raise ValueError(
                f"targets must be integers of the shape [{len(predicted)}], got {truth.dtype} {list(truth.shape)}"
            )
        return float((predicted == truth).mean())

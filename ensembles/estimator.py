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

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__repr__" not in vars(cls):  # a dataclass keeps the one that it finds
            cls.__repr__ = Parameters.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """Return the constructor call that makes an equal one: options at their defaults are left out."""
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)  # type: ignore[arg-type]
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options of the constructor and their values.

        No option holds another estimator, so that `deep` changes nothing.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def set_params(self, **options: Any) -> Self:
        """Set options, which the next `fit` reads, and return itself.

        ValueError for an option that the constructor does not have; then none is set.
        """
        known = list(self.get_params())
        for option in options.keys() - known:
            near = get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its options: {', '.join(known) or 'none'}"
            raise ValueError(f"{type(self).__name__} has no option {option!r}; {hint}")
        for option, value in options.items():
            setattr(self, option, value)
        return self


class Classifier(Parameters, ABC):
    """Classes and their accuracy, from probabilities; scikit-learn's model selection takes it for a classifier."""

    _fitted_shape_: tuple[int, int]  # members and classes of the fit

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks before it splits and scores: a classifier, whose input has three axes."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, three_d_array=True),
        )

    @property
    def classes_(self) -> npt.NDArray[np.int64]:
        """The classes of the columns of `predict_proba`: 0, 1, ...; AttributeError before `fit`, as in scikit-learn."""
        return np.arange(self._fitted_shape_[1])

    @abstractmethod
    def predict_proba(
        self, logits: npt.ArrayLike | StackedMembers, *, features: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.float64]:
        """Return probabilities `[samples, classes]`."""

    def predict(
        self, logits: npt.ArrayLike | StackedMembers, *, features: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.int64]:
        """Return the index of the most probable class, `[samples]`; of equally probable ones the first.

        Input and errors are those of `predict_proba`.
        """
        classes: npt.NDArray[np.int64] = self.predict_proba(logits, features=features).argmax(axis=1)
        return classes

    def score(
        self, logits: npt.ArrayLike | StackedMembers, targets: npt.ArrayLike, *, features: npt.ArrayLike | None = None
    ) -> float:
        """Return the accuracy on targets `[samples]`, from 0 to 1.

        ValueError as in `predict_proba`, or for targets of another shape or kind.
        """
        predicted, truth = self.predict(logits, features=features), np.asarray(targets)
        if truth.shape != predicted.shape or truth.dtype.kind not in "iu":
            raise ValueError(
                f"targets must be integers of the shape [{len(predicted)}], got {truth.dtype} {list(truth.shape)}"
            )
        return float((predicted == truth).mean())

"""The contract of an ensembler, its registry, and the checks and transforms that all of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ensembles.aliases import hint
from ensembles.estimator import Classifier
from ensembles.simplex import refuse_probabilities
from ensembles.streaming import StackedMembers, blocks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
LogitArray = npt.NDArray[np.floating[Any]]


CLASS_TIE = 1e-9  # relative; scores closer than this differ by rounding alone, as float32 keeps steps of 6e-8
LARGEST_LOGIT = float(np.finfo(np.float32).max)
FEW_CLASSES = 16  # up to here a reduction over classes is several times faster as a loop over them


def softmax(logits: npt.ArrayLike) -> FloatArray:
    """Probabilities along the last axis, in float64; any finite logits are safe."""
    probabilities = np.array(logits, dtype=np.float64)
    for part in _in_cache(probabilities):
        part -= _over_classes(np.maximum, part)
        np.exp(part, out=part)
        part /= _over_classes(np.add, part)
    return probabilities


def log_softmax(logits: npt.ArrayLike) -> FloatArray:
    """Log-probabilities along the last axis, in float64; finite wherever the logits are."""
    shifted = np.array(logits, dtype=np.float64)
    for part in _in_cache(shifted):
        part -= _over_classes(np.maximum, part)
        part -= np.log(_over_classes(np.add, np.exp(part)))
    return shifted


def top_class(scores: npt.NDArray[np.floating[Any]]) -> IntArray:
    """The class with the largest score along the last axis; of classes that tie up to rounding, the first.

    Logits that are stored as float16 tie often: which class a member names must not depend on a last digit.
    """
    top = _over_classes(np.maximum, scores)
    classes: IntArray = (scores >= top - CLASS_TIE * np.abs(top)).argmax(axis=-1)
    return classes


def log_likelihood(logits: LogitArray, targets: IntArray) -> FloatArray:
    """The log-probability that each member gives to the truth, `[members, samples]`, a block of samples at a time."""
    found = np.empty(logits.shape[:2])
    for rows, block in blocks(logits):
        by_class = np.array(block.transpose(2, 0, 1), dtype=np.float64, order="C")
        by_class -= by_class.max(axis=0)
        true = by_class[targets[rows], :, np.arange(by_class.shape[2])].T
        np.exp(by_class, out=by_class)
        found[:, rows] = true - np.log(by_class.sum(axis=0))
    return found


def _in_cache(array: FloatArray) -> Iterator[FloatArray]:
    """Views that make up the array: a member at a time, so that the passes over it stay in the cache."""
    return iter(array) if array.ndim > 2 else iter([array])


def _over_classes(reduce: np.ufunc, array: LogitArray) -> LogitArray:
    """The reduction over the last axis, which is kept."""
    if array.shape[-1] > FEW_CLASSES:
        reduced: LogitArray = reduce.reduce(array, axis=-1, keepdims=True)
        return reduced
    total = array[..., :1].copy()
    for class_ in range(1, array.shape[-1]):
        reduce(total, array[..., class_ : class_ + 1], out=total)
    return total


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within it, matrix products use one thread.

    For loops over many small products: there, more threads mostly wait for each other (20 to 100 times slower on a busy
    machine), and their number would show in the last digits of the result.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def check_logits(
    logits: npt.ArrayLike | StackedMembers,
    members: int | None = None,
    classes: int | None = None,
    labels: Sequence[str] | None = None,
) -> LogitArray:
    """The logits as a floating `[members, samples, classes]` array, finite also in float32 (not copied; StackedMembers
    stay where they are), or a ValueError saying what is wrong and where. `members` and `classes` are those of the fit,
    when predicting; `labels` name the members in messages."""
    # What is stacked has the array's indexing, and is treated as one.
    array = cast(LogitArray, logits) if isinstance(logits, StackedMembers) else np.asarray(logits)
    if array.dtype.kind != "f":
        raise ValueError(f"logits must be floating point, got {array.dtype}")
    if array.ndim != 3:
        raise ValueError(f"logits must have the shape [members, samples, classes], got {list(array.shape)}")
    if array.shape[0] < 1 or array.shape[1] < 1 or array.shape[2] < 2:
        raise ValueError(f"logits need a member, a sample and two classes at least, got {list(array.shape)}")
    if members is not None and array.shape[0] != members:
        raise ValueError(f"fitted on {members} members, got logits of {array.shape[0]}")
    if classes is not None and array.shape[2] != classes:
        raise ValueError(f"fitted on {classes} classes, got logits of {array.shape[2]}")
    refuse_probabilities(array)
    if labels is not None and len(labels) != array.shape[0]:
        raise ValueError(f"{len(labels)} labels for logits of {array.shape[0]} members")
    broken = [(member, usable) for member, usable in _usable(array) if not usable.all()]
    if broken:
        member, usable = broken[0]
        sample, class_ = np.argwhere(~usable)[0]
        name = member if labels is None else labels[member]
        count = sum(other.size - np.count_nonzero(other) for _, other in broken)
        kind = "too large (beyond float32)" if np.isfinite(array[member][sample, class_]) else "non-finite"
        raise ValueError(
            f"logits hold {count} {kind} values, the first at member {name}, sample {sample}, class {class_}"
        )
    return array


def _usable(array: LogitArray) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Which values of each member are finite in float32, so that their squares are in float64: member by member, as
    they may lie in files."""
    for member in range(len(array)):
        values = array[member]
        yield member, np.isfinite(values) if values.dtype.itemsize < 8 else np.abs(values) <= LARGEST_LOGIT


def check_targets(targets: npt.ArrayLike, samples: int, classes: int) -> IntArray:
    """The targets as int64 `[samples]` in 0..classes-1, or a ValueError saying what is wrong and where."""
    array = np.asarray(targets)
    if array.dtype.kind not in "iu":
        raise ValueError(f"targets must be integers, got {array.dtype}")
    if array.shape != (samples,):
        raise ValueError(f"targets must have the shape [{samples}] to match the logits, got {list(array.shape)}")
    outside = np.flatnonzero((array < 0) | (array >= classes))
    if outside.size:
        first = outside[0]
        raise ValueError(
            f"targets must lie in 0..{classes - 1}; {outside.size} do not, the first at sample {first}: {array[first]}"
        )
    return array.astype(np.int64, copy=False)


class Ensembler(Classifier):
    """Combines members' logits into class probabilities.

    A concrete ensembler is a dataclass: its constructor stores arguments untouched (they are judged in `fit`), fitted
    state ends in an underscore, and where there is chance it has a field `random_state: int = 0`. It overrides `_fit`
    and `_predict_proba`, which receive checked arrays.

    Fitted attributes
    -----------------
    weights_ : `[members]` or `[members, classes]` array on which the combination is linear, or None where it is not
    members_used_ : int64 indices of the members that have influence
    """

    name: ClassVar[str]  # in the registry, snake_case
    title: ClassVar[str]  # in a table
    reference: ClassVar[str]  # paper id
    complexity: ClassVar[int]  # 0 is the simplest; decides between methods that score alike
    cost: ClassVar[str]  # none, low or medium; ensembles/README.md says what they mean
    use_when: ClassVar[str]  # one line for who chooses a method
    takes_features: ClassVar[bool] = False
    streams: ClassVar[bool] = False  # reads StackedMembers a block at a time; others load them whole
    stacks: ClassVar[bool] = False  # a model on the members' outputs: may learn from out-of-fold train predictions

    weights_: FloatArray | None
    members_used_: IntArray

    def fit(
        self, logits: npt.ArrayLike | StackedMembers, targets: npt.ArrayLike, *, features: npt.ArrayLike | None = None
    ) -> Self:
        """Fit on logits `[members, samples, classes]` and integer targets `[samples]`; ValueError on bad input.

        A class may be absent from the targets: it keeps its column in the predictions. Where `takes_features`, images
        may come with `features` `[samples, F]`, such as penultimate activations, which then `predict_proba` needs too.
        """
        checked = self._loaded(check_logits(logits))
        members, samples, classes = checked.shape
        goal, extra = check_targets(targets, samples, classes), self._extra(features, samples)
        self.weights_ = None
        self._fit(checked, goal, **extra)
        self._fitted_shape_ = (members, classes)
        self._fitted_features_ = extra["features"].shape[1] if extra else None
        if self.weights_ is None:
            self.members_used_ = np.arange(members)
        else:
            self.members_used_ = np.flatnonzero(self.weights_.reshape(members, -1).any(axis=1))
        return self

    def predict_proba(
        self, logits: npt.ArrayLike | StackedMembers, *, features: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Probabilities `[samples, classes]`, float64, rows on the simplex; ValueError on bad input or before `fit`."""
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
        used = self.members_used_
        pooled = np.empty(logits.shape[1:])
        for rows, block in blocks(logits, used):
            pooled[rows] = np.tensordot(self.weights_[used], softmax(block), axes=1)
        pooled /= pooled.sum(axis=-1, keepdims=True)
        return pooled


class UnknownEnsemblerError(ValueError):
    """No ensembler is registered under this name."""


_REGISTRY: dict[str, type[Ensembler]] = {}
EnsemblerType = TypeVar("EnsemblerType", bound=type[Ensembler])


def register(ensembler: EnsemblerType) -> EnsemblerType:
    """Class decorator: enter the ensembler under its `name`; ValueError where the name is taken."""
    if ensembler.name in _REGISTRY:
        raise ValueError(f"two ensemblers are named {ensembler.name!r}: {_REGISTRY[ensembler.name]} and {ensembler}")
    _REGISTRY[ensembler.name] = ensembler
    return ensembler


def names() -> list[str]:
    """Registered names, simplest first, then by alphabet."""
    return sorted(_REGISTRY, key=lambda name: (_REGISTRY[name].complexity, name))


def get(name: str) -> type[Ensembler]:
    """The class registered under `name`; otherwise UnknownEnsemblerError, which says what an alias means here, or near
    matches."""
    if name not in _REGISTRY:
        registered = {known: _REGISTRY[known] for known in names()}
        raise UnknownEnsemblerError(f"no ensembler named {name!r}; {hint(name, registered)}")
    return _REGISTRY[name]


def create(name: str, **options: Any) -> Ensembler:
    """A new ensembler by name, with constructor options."""
    factory: Callable[..., Ensembler] = get(name)
    return factory(**options)

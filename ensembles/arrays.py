"""Arrays of logits and probabilities: their types, and the transforms that all methods share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ensembles.streaming import blocks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
LogitArray = npt.NDArray[np.floating[Any]]


CLASS_TIE = 1e-9  # relative; scores closer than this differ by rounding alone, as float32 keeps steps of 6e-8
EXACT = 2**24  # float32 holds all whole numbers up to here
POOLED_AT_ONCE = 2**15  # probabilities of a member: 256 kB, which several passes find in the cache
FEW_CLASSES = 16  # up to here a reduction over classes is several times faster as a loop over them


def softmax(logits: npt.ArrayLike) -> FloatArray:
    """Return probabilities along the last axis, in float64; any finite logits are safe."""
    probabilities = np.array(logits, dtype=np.float64)
    for part in _in_cache(probabilities):
        part -= over_classes(np.maximum, part)
        np.exp(part, out=part)
        part /= over_classes(np.add, part)
    return probabilities


def log_softmax(logits: npt.ArrayLike) -> FloatArray:
    """Return log-probabilities along the last axis, in float64; finite wherever the logits are."""
    shifted = np.array(logits, dtype=np.float64)
    for part in _in_cache(shifted):
        part -= over_classes(np.maximum, part)
        part -= np.log(over_classes(np.add, np.exp(part)))
    return shifted


def pool(logits: LogitArray, weights: FloatArray) -> FloatArray:
    """Return the sum of the members' probabilities times their weights, `[samples, classes]`, in float64.

    Logits are `[members, samples, classes]`, weights `[members]` or `[members, samples]`. Members without weight are
    not read, and there is no array of all members' probabilities in between.
    """
    _, samples, classes = logits.shape
    pooled = np.empty((samples, classes))
    size = max(1, POOLED_AT_ONCE // classes)
    few: Literal["F", "C"] = "F" if classes <= FEW_CLASSES else "C"  # loops along samples are longer than along classes
    for start in range(0, samples, size):
        rows = slice(start, min(start + size, samples))
        total = np.zeros((rows.stop - start, classes), order=few)
        for member, weight in enumerate(weights if weights.ndim == 1 else weights[:, rows, None]):
            if not np.any(weight):
                continue
            part = np.array(logits[member, rows], dtype=np.float64, order=few)
            part -= over_classes(np.maximum, part)
            np.exp(part, out=part)
            part *= weight / over_classes(np.add, part)
            total += part
        pooled[rows] = total
    return pooled


def top_class(scores: npt.NDArray[np.floating[Any]]) -> IntArray:
    """Return the class with the largest score along the last axis; of classes that tie up to rounding, the first.

    Logits that are stored as float16 tie often, and which class a member names must not depend on the last digit.
    """
    top = over_classes(np.maximum, scores)
    classes: IntArray = (scores >= top - CLASS_TIE * np.abs(top)).argmax(axis=-1)
    return classes


def log_likelihood(logits: LogitArray, targets: IntArray) -> FloatArray:
    """Return the log-probability that each member gives to the truth, `[members, samples]`."""
    log_true = np.empty(logits.shape[:2])
    for rows, block in blocks(logits):
        by_class = np.array(block.transpose(2, 0, 1), dtype=np.float64, order="C")
        by_class -= by_class.max(axis=0)
        true = by_class[targets[rows], :, np.arange(by_class.shape[2])].T
        np.exp(by_class, out=by_class)
        log_true[:, rows] = true - np.log(by_class.sum(axis=0))
    return log_true


def _in_cache(array: FloatArray) -> Iterator[FloatArray]:
    """Return views that make up the array, a member at a time, so that several passes over each stay in the cache."""
    return iter(array) if array.ndim > 2 else iter([array])


def over_classes(reduce: np.ufunc, array: LogitArray) -> LogitArray:
    """Reduce over the last axis, which is kept with length one: class by class where they are few and lie side by
    side, over which NumPy takes several times as long."""
    if array.shape[-1] > FEW_CLASSES or array.flags.f_contiguous:
        reduced: LogitArray = reduce.reduce(array, axis=-1, keepdims=True)
        return reduced
    total = array[..., :1].copy()
    for class_ in range(1, array.shape[-1]):
        reduce(total, array[..., class_ : class_ + 1], out=total)
    return total


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which matrix products use one thread.

    It is for loops over many small products, where more threads mostly wait for each other (20 to 100 times slower on a
    busy machine), and where their number would show in the last digits of the result.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits

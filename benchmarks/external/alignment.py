"""Predictions made elsewhere, brought into the store's order of rows and of classes, as logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.data.expressions import expression, suggestion
from benchmarks.external.incoming import SPLITS, Expected, Incoming
from benchmarks.store.targets import Targets
from ensembles import log_softmax

SUM_SLACK = 0.02  # by which a row of probabilities, rounded to two decimals, may miss one
LEAST_PROBABILITY = 1e-7  # of a class that is ruled out, by whatever means: about the least that float16 holds


@dataclass(frozen=True, eq=False)
class Aligned:
    """Log-probabilities float32 [N, classes] in the store's order, and what was understood of the file."""

    val: np.ndarray
    test: np.ndarray
    given: str  # "logits" or "probabilities"
    remarks: tuple[str, ...]


def align(incoming: Incoming, targets: Targets, expected: Expected) -> Aligned:
    """Put rows and columns into the store's order; raise ValueError saying which of them do not fit."""
    columns = _column_order(incoming.classes, expected.classes)
    rows = {"val": targets.val_rows, "test": targets.test_rows}
    arrays, remarks = {}, list(incoming.remarks)
    for split in SPLITS:
        values, name = incoming.values[split], expected.title(split)
        expected.check_shape(split, values.shape)
        _check_numbers(values, name)
        order, how = _row_order(incoming.ids[split], rows[split], name)
        remarks.append(f"{name}: {len(values):,} rows {how}")
        arrays[split] = np.empty_like(values)
        arrays[split][order] = values[:, columns]
    kinds = {split: _given(array) for split, array in arrays.items()}
    given = kinds["val"]
    if given != kinds["test"]:
        raise ValueError(f"val holds {given}, test {kinds['test']}: are both of one model?")
    val, test = (_log_probabilities(arrays[split], given) for split in SPLITS)
    return Aligned(val, test, given, tuple(remarks))


def in_store_order(
    values: Mapping[str, np.ndarray], classes: tuple[str, ...], expected: Expected, remarks: tuple[str, ...] = ()
) -> Aligned:
    """Put the columns of logits [N, classes] of both splits, whose rows are in the store's order, into its order."""
    columns = _column_order(classes, expected.classes)
    for split in SPLITS:
        expected.check_shape(split, values[split].shape)
        _check_numbers(values[split], expected.title(split))
    val, test = (_log_probabilities(values[split][:, columns], "logits") for split in SPLITS)
    return Aligned(val, test, "logits", remarks)


def _log_probabilities(values: np.ndarray, given: str) -> np.ndarray:
    """Return log-probabilities float32 [N, classes] of logits or probabilities, none below that of a ruled-out class.

    Zero, minus infinity, -1e9 and the least float32 are ways to rule out a class, and mean the same here. Logits that
    differ by a constant a row mean the same, too; without it, float16 keeps more digits of what matters.
    """
    if given == "probabilities":
        values = np.log(np.maximum(values, LEAST_PROBABILITY))
    return np.maximum(log_softmax(values), np.log(LEAST_PROBABILITY)).astype(np.float32)


def _column_order(names: tuple[str, ...] | None, classes: tuple[str, ...]) -> np.ndarray:
    """Return which column of the file belongs to each class."""
    if names is None:
        return np.arange(len(classes))
    columns = [expression(name) for name in names]
    if sorted(columns) == sorted(expression(name) for name in classes):
        return np.array([columns.index(expression(name)) for name in classes])
    unknown = next((name for name in names if name.strip().lower() not in classes), None)
    hint = suggestion(unknown, classes) if unknown else ""
    raise ValueError(f"classes are {', '.join(names)}; they have to be {', '.join(classes)}, in any order.{hint}")


def _check_numbers(values: np.ndarray, name: str) -> None:
    usable = ~np.isnan(values).any(axis=1) & np.isfinite(values.max(axis=1))  # minus infinity rules out a class
    if not usable.all():
        raise ValueError(f"{name} holds no number in {np.sum(~usable):,} rows, the first is row {np.argmin(usable)}")


def _row_order(ids: np.ndarray | None, rows: np.ndarray | None, name: str) -> tuple[np.ndarray, str]:
    """Return the place in the store of every row of the file, and say how it was found."""
    if rows is None:
        raise ValueError(
            f"{name}: the stored targets do not know the official order of rows; name images that do, "
            "in the original file's form, with --data DIR"
        )
    official = np.argsort(rows)  # the k-th row of the original file stands here
    if ids is None:
        return official, "in the official order"
    number, count = Counter(ids.tolist()).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{name}: id {number} stands {count} times")
    if np.array_equal(np.sort(ids), np.arange(len(rows))):
        return official[ids], "by place within the split"
    strangers = ids[~np.isin(ids, rows)]
    if len(strangers):
        raise ValueError(
            f"{name}: {len(strangers):,} of {len(ids):,} ids are none of its rows, the first is {strangers[0]}; ids "
            f"are row numbers of the original file ({rows.min()} to {rows.max()}) or places within the split "
            f"(0 to {len(rows) - 1})"
        )
    return official[np.searchsorted(rows[official], ids)], "by row number in the original file"


def _given(values: np.ndarray) -> str:
    """Say what the numbers are; raise ValueError where they are scores between the two."""
    sums = values.sum(axis=1)
    if values.min() < 0.0 or values.max() > 1.0 + SUM_SLACK:
        if values.min() >= 0.0 and np.allclose(sums, 100.0, atol=100.0 * SUM_SLACK):
            raise ValueError("every row sums to 100: these are percentages, divide them by 100")
        return "logits"
    if np.abs(sums - 1.0).max() > SUM_SLACK:
        worst = sums[np.abs(sums - 1.0).argmax()]
        raise ValueError(
            f"all numbers lie between 0 and 1, but a row sums to {worst:.3g}: these are neither probabilities, which "
            "sum to 1, nor logits"
        )
    return "probabilities"

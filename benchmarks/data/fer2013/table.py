"""FER2013 as a table, whatever it was stored as: the step between a reader and the three splits."""

from dataclasses import dataclass

import numpy as np

from benchmarks.data.dataset import SPLIT_NAMES, Dataset, Split
from benchmarks.data.errors import DataError, shortened
from benchmarks.data.expressions import FER2013_CLASSES, expression, suggestion
from benchmarks.data.fer2013.official import COUNTS, USAGES, differences, match, row_numbers
from benchmarks.data.fingerprint import assemble

IMAGE_SIZE = 48
USUAL_ROWS = 36_000  # of a whole copy
MOST_ROWS = 500_000  # a packed file of a few megabytes may unfold to any number
MOST_DIGITS = 10  # of a label that is looked at as a number


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of FER2013 in the order of their source.

    images   uint8 [N, 48, 48]
    targets  int64 [N], indices of FER2013_CLASSES
    usages   int64 [N], indices of USAGES
    ordered  whether the source has an order of rows, which may be that of the original file
    """

    images: np.ndarray
    targets: np.ndarray
    usages: np.ndarray
    ordered: bool
    notes: tuple[str, ...] = ()


class GrowingImages:
    """Images uint8 [N, 48, 48] that come one after another.

    They lie in one piece that grows in place: a list of pieces, joined at the end, takes twice the memory. Room for a
    whole copy of FER2013 is taken once there is a quarter of it: to clear it takes longer than to read a small file.
    """

    def __init__(self) -> None:
        self._pixels = np.empty((0, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
        self.count = 0

    def add(self, pixels: np.ndarray) -> None:
        """Add images of any shape that has their number of pixels."""
        images = pixels.reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
        end = self.count + len(images)
        if end > len(self._pixels):
            self._resize(max(USUAL_ROWS, 2 * end) if 4 * end > USUAL_ROWS else 4 * end)
        self._pixels[self.count : end] = images
        self.count = end

    def all(self) -> np.ndarray:
        """Return them all; nothing can be added any more."""
        self._resize(self.count)
        return self._pixels

    def _resize(self, count: int) -> None:
        self._pixels.resize((count, IMAGE_SIZE, IMAGE_SIZE), refcheck=False)


def check_count(count: int, where: str) -> None:
    """Raise DataError where a file holds so many rows that it is no copy of FER2013, but fills the memory."""
    if count > MOST_ROWS:
        raise DataError(f"{where}: more than {MOST_ROWS:,} rows; FER2013 has {sum(COUNTS):,}. Use a copy of it.")


def dataset_of(rows: Rows, source: str, where: str) -> Dataset:
    """Divide the rows into the three splits; `where` names the source in the errors.

    Raises DataError where a split is empty. What differs from the original is accepted and noted.
    """
    matched = match(rows.images, rows.targets, rows.usages, rows.ordered)
    numbers = row_numbers(matched, rows.ordered)
    splits, notes = {}, list(rows.notes)
    for index, (name, usage, original) in enumerate(zip(SPLIT_NAMES, USAGES, COUNTS, strict=True)):
        chosen = np.flatnonzero(rows.usages == index)
        if not len(chosen):
            raise DataError(
                f"{where}: no row of the {usage} part ({name}). All three parts are needed: {', '.join(USAGES)}. "
                "Use a complete copy of FER2013."
            )
        if len(chosen) != original:
            notes.append(
                f"{usage} has {len(chosen):,} rows, the original {original:,}: scores do not compare to published ones."
            )
        splits[name] = Split(
            images=_taken(rows.images, chosen)[:, None],
            targets=rows.targets[chosen],
            ids=np.zeros(len(chosen), dtype=str),
            rows=None if numbers is None else numbers[chosen],
        )
    if told := differences(matched, rows.targets, rows.usages):
        notes.append(f"This copy is not the FER2013 that stored predictions are of: {'; '.join(told)}.")
    if rows.ordered and numbers is matched.rows:
        notes.append("Its rows are in another order than the original's: images were matched to these by their pixels.")
    return assemble(splits, FER2013_CLASSES, source, notes)


def _taken(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return images in ascending places; those that stand together, as parts of the original do, without a copy."""
    first, last = int(chosen[0]), int(chosen[-1])
    return images[first : last + 1] if last + 1 - first == len(chosen) else images[chosen]


def usage_index(value: str, where: str) -> int:
    """Return the index of a Usage value; raise DataError where it is none of the three."""
    if value.strip() in USAGES:
        return USAGES.index(value.strip())
    near = suggestion(value, USAGES)
    raise DataError(f"{where}: unknown Usage {shortened(repr(value))}; it must be one of {', '.join(USAGES)}.{near}")


def emotion_index(value: str, where: str) -> int:
    """Return the index of an emotion written as a number; raise DataError where it is not in 0..6."""
    text = value.strip()
    if text.isdecimal() and len(text) < MOST_DIGITS and int(text) < len(FER2013_CLASSES):
        return int(text)
    most, meaning = len(FER2013_CLASSES) - 1, ", ".join(f"{index} {name}" for index, name in enumerate(FER2013_CLASSES))
    hint = ""
    if text == str(most + 1):
        hint = f" Where labels count from 1 to {most + 1}, subtract 1 from each, if they are in this order."
    elif expression(text) in FER2013_CLASSES:
        hint = f" Write {FER2013_CLASSES.index(expression(text))} for {text}."
    raise DataError(f"{where}: emotion {shortened(repr(value))} is not in 0..{most} ({meaning}).{hint}")

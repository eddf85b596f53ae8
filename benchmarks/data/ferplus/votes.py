"""The votes of FER+ (arXiv:1608.01041): ten annotators an image, and the four rules that make targets of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError, shortened
from benchmarks.data.expressions import expression
from benchmarks.data.text_table import read_lines

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
NO_EXPRESSION = ("unknown", "NF")  # the last two columns: cannot tell, and not a face
ANSWERS = (*map(expression, CLASSES), *NO_EXPRESSION)  # by the names that FER2013's classes have
COLUMNS = ("Usage", "Image name", *CLASSES, *NO_EXPRESSION)
IMAGE_NAME = re.compile(r"fer(\d{7})\.png")
MOST_SKIPPED, MISNAMED = 100, 0.01  # rows that the count of names falls behind; share of names out of place
UNKNOWN = (0.0,) * len(CLASSES)
MAJORITY, ENOUGH, LISTED = 0.5, 0.75, 0.3  # shares of the votes
MOST_CLASSES = 3
MOST_VOTES = 1_000_000  # of one image for one answer; the original has ten in all


def read_votes(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read votes int64 [N,10] in the order of CLASSES and NO_EXPRESSION, and each row's Usage.

    Raises DataError naming the file and the line, also where the names of the images show that lines were moved.
    """
    lines = read_lines(path, COLUMNS)
    _, header = next(lines, (1, []))
    if tuple(header) != COLUMNS:
        raise DataError(f"{path}: its columns are {shortened(', '.join(header))}; FER+ has {', '.join(COLUMNS)}.")
    votes, usages, names = [], [], []
    for number, line in lines:
        try:
            counts = [int(value) for value in line[2:]]
            if len(counts) != len(COLUMNS) - 2 or min(counts) < 0 or max(counts) > MOST_VOTES:
                raise ValueError
        except ValueError as error:
            found = shortened(", ".join(line[2:]))
            raise DataError(f"{path}, line {number}: ten counts of votes are expected, found {found}.") from error
        votes.append(counts)
        usages.append(line[0])
        names.append(line[1])
    _check_order(path, names)
    return np.array(votes, dtype=np.int64).reshape(-1, len(COLUMNS) - 2), usages


def _check_order(path: Path, names: Sequence[str]) -> None:
    """Raise DataError where the images' names show that rows were moved or left out.

    They count the rows up from 0, but for some without a name; in the original four images bear the name of a copy.
    """
    numbers = {row: int(match[1]) for row, name in enumerate(names) if (match := IMAGE_NAME.fullmatch(name))}
    strange = [row for row, number in numbers.items() if not 0 <= row - number <= MOST_SKIPPED]
    if len(strange) > MISNAMED * len(numbers):
        raise DataError(
            f"{path}, line {strange[0] + 2}: names {names[strange[0]]}, and {len(strange):,} lines name images of "
            "other rows. Lines were moved or left out, and votes would land on other images: use the original file."
        )


def agreement(votes: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> float:
    """Compute Cohen's kappa between the class with most votes, of votes int64 [N,10], and targets int64 [N] of
    `classes`.

    It is 0 where votes are of other images, and about 0.56 on FER2013, whose labels and votes are of different people.
    Images without a vote for any of the classes do not count; 1 where none does.
    """
    columns = [ANSWERS.index(expression(name)) for name in classes]
    counted = votes[:, columns].any(axis=1)
    if not counted.any():
        return 1.0
    voted, given = votes[counted][:, columns].argmax(axis=1), targets[counted]
    shares = [np.bincount(one, minlength=len(classes)) / len(given) for one in (voted, given)]
    by_chance = float(shares[0] @ shares[1])
    return 1.0 if by_chance == 1 else float(((voted == given).mean() - by_chance) / (1 - by_chance))


def shares(votes: np.ndarray, mode: str) -> np.ndarray:
    """Turn votes [N,10] into target distributions float32 [N,8] by a rule of MODES; a row of zeros drops the image.

    In all modes a class with a single vote counts as none, and an image is dropped where most votes say that there is
    no expression or no face. Classes are in the order of CLASSES.
    """
    rule = MODES[mode]
    counted = np.where(votes == 1, 0, votes)
    return np.array([rule(tuple(row)) for row in counted.tolist()], dtype=np.float32).reshape(-1, len(CLASSES))


@cache
def _majority(votes: tuple[int, ...]) -> tuple[float, ...]:
    """Give all to the class with more than half of the votes."""
    most = max(votes)
    return _expressions(tuple(most * (place == votes.index(most)) for place in range(len(votes))), votes)


@cache
def _leading(votes: tuple[int, ...]) -> tuple[float, ...]:
    """Keep the commonest classes, until they have three quarters of the votes or are three; equal ones come together.

    Doubt ends the list: "unknown" or "not a face" is kept only where nothing was more common.
    """
    kept = [0] * len(votes)
    for count in sorted({count for count in votes if count}, reverse=True):
        if sum(kept) >= ENOUGH * sum(votes) or sum(map(bool, kept)) >= MOST_CLASSES:
            break
        places = [place for place, votes_here in enumerate(votes) if votes_here == count]
        for place in places:
            if place >= len(CLASSES):
                kept[place] = 0 if sum(kept) else count
                return _few(kept, votes)
            kept[place] = count
    return _few(kept, votes)


def _few(kept: list[int], votes: tuple[int, ...]) -> tuple[float, ...]:
    return UNKNOWN if sum(map(bool, kept)) > MOST_CLASSES else _expressions(tuple(kept), votes)


@cache
def _listed(votes: tuple[int, ...]) -> tuple[float, ...]:
    """Keep every class with 30 % of the votes; which of them is most common matters to the score alone."""
    return _expressions(tuple(count if count >= LISTED * sum(votes) else 0 for count in votes), votes)


def _expressions(kept: tuple[int, ...], votes: tuple[int, ...]) -> tuple[float, ...]:
    """Compute the shares of the expressions among the votes kept; none where those are too few, or no expression leads
    them."""
    if sum(kept) <= MAJORITY * sum(votes) or kept.index(max(kept)) >= len(CLASSES):
        return UNKNOWN
    expressions = kept[: len(CLASSES)]
    return tuple(count / sum(expressions) for count in expressions)


MODES: dict[str, Callable[[tuple[int, ...]], tuple[float, ...]]] = {
    "majority": _majority,
    "probability": _leading,
    "crossentropy": _leading,
    "multitarget": _listed,
}
"""What becomes of one image's votes, single ones left out. Probability and cross-entropy differ in training alone."""

"""FER+ (arXiv:1608.01041): FER2013's images with ten votes each over eight expressions, joined by their rows:
data of its own, or votes over FER2013's classes beside FER2013's labels."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.data.dataset import SPLIT_NAMES, Dataset, Split
from benchmarks.data.errors import DataError
from benchmarks.data.expressions import expression
from benchmarks.data.fer2013 import reader as fer2013
from benchmarks.data.fer2013.official import NEARLY_ALL, USAGES, has_own_pixels
from benchmarks.data.ferplus.votes import CLASSES, agreement, read_votes, shares
from benchmarks.data.fingerprint import assemble
from benchmarks.data.locate import usual_roots
from benchmarks.files import replace_atomically

VOTES = "fer2013new.csv"
LEAST_AGREEMENT = 0.5  # kappa between votes and labels
VOTES_URL = f"https://raw.githubusercontent.com/microsoft/FERPlus/master/{VOTES}"
HELP = f"""FER+ is a table of votes, {VOTES}, beside FER2013's own images.
Get it from https://github.com/microsoft/FERPlus and put it beside FER2013, or run
python benchmark.py --suite ferplus --download"""


def load(data_dir: Path | None = None, *, training: str, evaluation: str) -> Dataset:
    """Load images [N,1,48,48] with targets of eight classes; votes float32 [N,8] are the rule's distribution.

    training    the rule of the training split, a key of MODES in benchmarks/data/ferplus/votes.py
    evaluation  the rule of val and test

    Raises DataError where FER2013 or the votes are missing, or do not line up.
    """
    votes, usages = votes_table(data_dir)
    faces = fer2013.load(data_dir)
    rules = dict(zip(SPLIT_NAMES, (training, evaluation, evaluation), strict=True))
    splits, notes = {}, []
    for name, usage in zip(SPLIT_NAMES, USAGES, strict=True):
        split = faces.splits()[name]
        splits[name] = _labelled(split, _votes_of(split, faces.classes, votes, usages, usage), rules[name])
        left_out = len(split) - len(splits[name])
        notes.append(f"{usage}: {left_out:,} of {len(split):,} images left out by the {rules[name]} rule.")
    return assemble(splits, CLASSES, f"{faces.source}, {VOTES}", (*faces.notes, *notes))


def with_votes(faces: Dataset, data_dir: Path | None = None) -> Dataset:
    """Give the training split of FER2013, or of a part of it, FER+'s votes int64 [N,K], a column for each class of
    `faces`.

    They are the annotators' counts as they are. Votes for anything that is no class of `faces` (contempt, cannot tell,
    not a face) are dropped; an image that has no other votes gets one for its own label. Order, ids and fingerprint
    stay as they were: the votes are no part of what identifies the data.

    Raises DataError where the votes are missing, or do not line up with any of the three splits.
    """
    votes, usages = votes_table(data_dir)
    of_images = {
        name: _votes_of(split, faces.classes, votes, usages, usage)
        for (name, split), usage in zip(faces.splits().items(), USAGES, strict=True)
    }
    named = [expression(name) for name in CLASSES]
    columns = np.array([named.index(name) for name in faces.classes])
    counts = of_images["train"][:, columns]
    without = np.flatnonzero(~counts.any(axis=1))
    counts[without, faces.train.targets[without]] = 1
    return replace(faces, train=replace(faces.train, votes=counts))


def _labelled(split: Split, votes: np.ndarray, rule: str) -> Split:
    targets = shares(votes, rule)
    kept = np.flatnonzero(targets.any(axis=1))
    return replace(split.take(kept), targets=targets[kept].argmax(axis=1), votes=targets[kept])


def _votes_of(split: Split, classes: Sequence[str], votes: np.ndarray, usages: Sequence[str], usage: str) -> np.ndarray:
    """Return the votes int64 [N,10] of a split's images; raise DataError where the table has others in their rows."""
    if split.rows is None:
        raise DataError(
            "FER+ names FER2013's images by their rows in the original file, and which these are is not known of all: "
            "class folders do not keep them, and other pixels (JPEG) cannot be matched. Use fer2013.csv or parquet."
        )
    check_rows(split.rows, usages, usage)
    found = votes[split.rows]
    if has_own_pixels(split.images, split.rows).mean() < NEARLY_ALL:
        check_labels(found, split.targets, classes, usage)
    return found


def check_rows(rows: np.ndarray, usages: Sequence[str], usage: str) -> None:
    """Raise DataError where the table does not have these rows [N] of FER2013 in that split."""
    if rows.max() >= len(usages) or any(usages[row] != usage for row in rows):
        raise DataError(f"{VOTES} does not line up with FER2013: rows of {usage} are others there. Use both unchanged.")


def check_labels(votes: np.ndarray, targets: np.ndarray, classes: Sequence[str], usage: str) -> None:
    """Raise DataError where votes [N,10] and targets [N] agree less than they do on FER2013: rows were moved.

    Where a quarter of the rows is moved, kappa falls from 0.56 to 0.42; few images may lie below it by chance.
    """
    found, least = agreement(votes, targets, classes), LEAST_AGREEMENT - 2 / np.sqrt(max(1, len(targets)))
    if found < least:
        raise DataError(
            f"{VOTES} does not line up with FER2013: in {usage}, votes and labels agree with a kappa of {found:.2f}, "
            f"where the original has 0.56. The rows of one of them were moved: use both unchanged."
        )


def votes_table(data_dir: Path | None) -> tuple[np.ndarray, list[str]]:
    """Read all votes int64 [35887,10] and each row's Usage, from `data_dir` or the usual places; raise DataError."""
    places = list(_places(data_dir))
    for place in places:
        if place.is_file():
            return read_votes(place)
    looked = "\n".join(f"  {place}" for place in places)
    raise DataError(f"The votes of FER+ were not found. Looked for:\n{looked}\n{HELP}")


def _places(data_dir: Path | None) -> Iterator[Path]:
    """Yield where the table may lie: in the folder given, or around the file; else in the usual places."""
    if data_dir is not None:
        given = Path(os.path.expanduser(data_dir))
        roots = [given.parent if given.is_file() else given]
    else:
        roots = usual_roots()
    for root in roots:
        yield from (root / VOTES, root / "ferplus" / VOTES, root / "fer2013" / VOTES)


def download(target_dir: Path) -> Path:
    """Put FER2013 and the votes into `target_dir`, unless they are there already, and return the folder.

    Raises DataError where either cannot be had.
    """
    target = Path(os.path.expanduser(target_dir))
    fer2013.download(target)
    table = target / VOTES
    if not table.is_file():
        try:
            replace_atomically(table, lambda draft: urllib.request.urlretrieve(VOTES_URL, draft))
        except OSError as error:
            raise DataError(f"{VOTES_URL} could not be downloaded ({error}). Is there a network?\n{HELP}") from error
    return target

"""KDEF (Lundqvist, Flykt and Öhman 1998): 70 people, seven expressions, five angles, two sessions, 4,900 photographs.

A file's name says all: AF01ANS.JPG is session A, female, person 01, angry, straight. Two protocols are in use: a random
split of the images, which has every person's face on both sides, and folds by person, which do not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.data.cache import cached
from benchmarks.data.dataset import SPLIT_NAMES, DataOptions, Dataset, Split
from benchmarks.data.errors import DataError, first_line
from benchmarks.data.expressions import FER2013_CLASSES
from benchmarks.data.fingerprint import assemble
from benchmarks.data.image_files import read_images
from benchmarks.data.locate import folder_of
from benchmarks.data.splits import folds, hold_out
from benchmarks.data.walk import Walk, is_image, walk

SIDE = 96  # the members look at 48 to 112 pixels; 4,900 colour images take 135 MB so
FOLDS = 5
TEST_SHARE, VAL_SHARE = 0.2, 1 / 8  # of the random split: 980 of 4,900 images, then 490 of 3,920
PEOPLE = 35  # of either sex
SESSIONS, SEXES, ANGLES = "AB", "FM", ("S", "HL", "HR", "FL", "FR")
EXPRESSIONS = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
SHAPE = (len(SESSIONS), len(SEXES), PEOPLE, len(EXPRESSIONS), len(ANGLES))
NAMES = {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
FILE_NAME = re.compile(rf"([AB])([FM])(\d\d)({'|'.join(EXPRESSIONS)})({'|'.join(ANGLES)})", re.IGNORECASE)
IMAGES = math.prod(SHAPE)
HELP = """KDEF is for researchers, under the terms of https://kdef.se, and nothing is downloaded here: get it there.
Put its images into data/kdef, in their folders (KDEF/AF01/AF01ANS.JPG) or all in one, or give their place:
python benchmark.py --suite kdef --data DIR"""


@dataclass(frozen=True)
class Photograph:
    """A file and what its name says; `number` is its place among the 4,900 names, from 0: by session, sex, person,
    expression, angle."""

    file: Path
    number: int
    target: int


def fold(options: DataOptions, fold: int) -> Dataset:
    """Test on one fifth of the people, validate on the next and train on the others; raise DataError.

    Whole people are dealt to the fifths by `options.seed`.
    """
    everyone = _read(options)
    order = np.argsort(_rows(everyone), kind="stable")  # so that neither side nor form of the images moves a person
    people = subjects(_rows(everyone))
    parts = [order[part] for part in folds(everyone.train.targets[order], FOLDS, options.seed, people[order])]
    test, val = parts[fold], parts[(fold + 1) % FOLDS]
    return _split(everyone, val, test)


def random_split(options: DataOptions) -> Dataset:
    """Draw a fifth of the images for the test and an eighth of the rest for validation, by `options.seed` and
    stratified by class, whoever is on them; raise DataError."""
    everyone = _read(options)
    order = np.argsort(_rows(everyone), kind="stable")
    targets = everyone.train.targets[order]
    rest, test = hold_out(targets, TEST_SHARE, options.seed)
    _, val = hold_out(targets[rest], VAL_SHARE, options.seed)
    return _split(everyone, order[rest[val]], order[test])


def subjects(numbers: np.ndarray) -> np.ndarray:
    """Return the person, 0 to 69, on each of the photographs with these numbers."""
    _, sex, person, _, _ = np.unravel_index(numbers, SHAPE)
    return sex * PEOPLE + person


def _rows(everyone: Dataset) -> np.ndarray:
    assert everyone.train.rows is not None
    return everyone.train.rows


def _split(everyone: Dataset, val: np.ndarray, test: np.ndarray) -> Dataset:
    whole = replace(everyone.train, groups=subjects(_rows(everyone)))
    train = np.setdiff1d(np.arange(len(whole)), np.concatenate([val, test]))
    # Sorted, each part stays in the canonical order that `everyone` has.
    parts = dict(zip(SPLIT_NAMES, (train, np.sort(val), np.sort(test)), strict=True))
    splits = {name: whole.take(rows) for name, rows in parts.items()}
    return replace(assemble(splits, everyone.classes, everyone.source, everyone.notes), listings=everyone.listings)


def _read(options: DataOptions) -> Dataset:
    """Read all images as the training split; the others are empty."""
    root = folder_of("kdef", options.path, HELP)
    side = options.side or SIDE
    walked = walk(root, by_name=True)
    found, unknown = photographs(walked)
    files = [str(one.file) for one in found]
    try:
        everyone = cached(f"kdef-{side}", root, files, lambda: _build(found, side))
    except OSError as error:
        raise DataError(f"{error.filename or root}: cannot be read ({first_line(error)}).") from error
    everyone = replace(everyone, notes=(*everyone.notes, *walked.notes()))
    if not unknown:
        return everyone
    few = ", ".join(name for name in unknown[:3])
    note = (
        f"{len(unknown):,} images left out whose names are none of KDEF's ({few}{', ...' if len(unknown) > 3 else ''})."
    )
    listing = "file\n" + "".join(f"{name}\n" for name in unknown)
    return replace(everyone, notes=(*everyone.notes, note), listings={"left_out.csv": listing})


def photographs(walked: Walk) -> tuple[list[Photograph], list[str]]:
    """Return the photographs among the files by number, and the other images' names; raise DataError where there is
    none, or two files bear one name."""
    found: dict[int, Photograph] = {}
    unknown = []
    for file in walked.paths():
        if not is_image(file.name):
            continue
        photograph = _photograph(file)
        if photograph is None:
            unknown.append(file.name)
            continue
        if photograph.number in found:
            raise DataError(f"{file}: is there twice, also as {found[photograph.number].file}. Keep one of them.")
        found[photograph.number] = photograph
    if not found:
        seen = f"\nImages seen there: {', '.join(unknown[:3])}" if unknown else ""
        raise DataError(
            f"{walked.root}: holds no image that is named as KDEF's are, such as AF01ANS.JPG.{seen}\n{HELP}"
        )
    return [found[number] for number in sorted(found)], unknown


def _photograph(file: Path) -> Photograph | None:
    match = FILE_NAME.fullmatch(file.stem)
    if match is None or not 1 <= int(match[3]) <= PEOPLE:
        return None
    session, sex, person, expression, angle = (part.upper() for part in match.groups())
    place = (
        SESSIONS.index(session),
        SEXES.index(sex),
        int(person) - 1,
        EXPRESSIONS.index(expression),
        ANGLES.index(angle),
    )
    return Photograph(file, int(np.ravel_multi_index(place, SHAPE)), FER2013_CLASSES.index(NAMES[expression]))


def _build(found: Sequence[Photograph], side: int) -> Dataset:
    notes: list[str] = []
    images = read_images([one.file for one in found], side, notes)
    whole = Split(
        images,
        np.array([one.target for one in found], dtype=np.int64),
        np.zeros(len(found), dtype=str),
        rows=np.array([one.number for one in found], dtype=np.int64),
    )
    nothing = whole.take(np.arange(0))
    if len(found) != IMAGES:
        notes.append(f"{len(found):,} of KDEF's {IMAGES:,} images are there: scores do not compare to published ones.")
    return assemble({"train": whole, "val": nothing, "test": nothing}, FER2013_CLASSES, "KDEF photographs", notes)

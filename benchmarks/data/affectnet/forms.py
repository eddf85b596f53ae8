"""AffectNet as it lies on disk (arXiv:1708.03985): folders with an annotation file a number, or lists as CSV.

An expression is a code from 0 to 10; valence and arousal lie in [-1, 1], or are -2 where an image was not rated.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError, first_line, shortened
from benchmarks.data.npy import read_header, read_values
from benchmarks.data.walk import is_image
from zoo.use.leftovers import is_leftover

CODES = 11  # eight expressions; none, uncertain, no face
LEFT_OUT = ("8", "9", "10")  # the latter three, whose images need not be there
UNRATED = -2.0
ENDINGS_OF = {"exp": "expression", "val": "valence", "aro": "arousal"}  # 17_exp.npy, 17_val.npy, 17_aro.npy
IMAGES, ANNOTATIONS = "images", "annotations"
SETS = {"training": ("train_set", "training.csv"), "validation": ("val_set", "validation.csv")}
LISTS = ("", "Manually_Annotated_file_lists", "Manually_Annotated/Manually_Annotated_file_lists")
PICTURES = ("", "Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", IMAGES)
COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip
NEEDED = (COLUMNS[0], *ENDINGS_OF.values())
COMPLETE = "Copy the data set again, complete."


@dataclass(frozen=True, eq=False)
class Annotated:
    """The annotations of one set: expression int64 [N], valence and arousal float32 [N,2], of N images."""

    images: list[Path]
    expression: np.ndarray
    affect: np.ndarray


@dataclass(frozen=True)
class Listing:
    """One set that was found: `files` are all it depends on, `read` raises DataError naming the file that is wrong."""

    root: Path
    form: str
    files: list[str]
    read: Callable[[], Annotated]


def find(root: Path, name: str) -> Listing | None:
    """Find the set of that name, a key of SETS, in a folder; return None where it is not there.

    `images` and `annotations` without a folder of a set around them are taken for the validation set. Raises DataError
    where a list names images that are not there.
    """
    folder, table = SETS[name]
    for place in (root / folder, *([root] if name == "validation" else [])):
        if (place / IMAGES).is_dir() and (place / ANNOTATIONS).is_dir():
            return _of_folders(place)
    for lists in LISTS:
        if (root / lists / table).is_file():
            return _of_list(root, root / lists / table)
    return None


def _of_folders(root: Path) -> Listing:
    files = [os.path.join(root, part, name) for part in (IMAGES, ANNOTATIONS) for name in _file_names(root / part)]
    return Listing(root, "images and annotations", files, partial(_read_folders, root))


def _file_names(folder: Path) -> list[str]:
    """List the names of the files in a folder, sorted, without those that the system left there."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not is_leftover(entry.name) and entry.is_file())


def _images_by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in filter(is_image, _file_names(folder)):
        stem = os.path.splitext(name)[0]
        if stem in found:
            raise DataError(f"{folder / name}: is image {stem} for a second time, beside {found[stem].name}. Keep one.")
        found[stem] = folder / name
    return found


def _read_folders(root: Path) -> Annotated:
    images = _images_by_stem(root / IMAGES)
    if not images:
        raise DataError(f"{root / IMAGES}: holds no image. {COMPLETE}")
    annotations = set(_file_names(root / ANNOTATIONS))
    for stem, image in images.items():
        for ending, meaning in ENDINGS_OF.items():
            if f"{stem}_{ending}.npy" not in annotations:
                missing = root / ANNOTATIONS / f"{stem}_{ending}.npy"
                raise DataError(f"{missing}: is missing, the {meaning} of {image.name}. {COMPLETE}")
    for name in sorted(annotations):
        if name.endswith("_exp.npy") and name.removesuffix("_exp.npy") not in images:
            raise DataError(f"{root / ANNOTATIONS / name}: there is no image of it in {root / IMAGES}. {COMPLETE}")
    stems = sorted(images)
    sources = [[root / ANNOTATIONS / f"{stem}_{ending}.npy" for ending in ENDINGS_OF] for stem in stems]
    rows = [[stored_number(path) for path in paths] for paths in sources]
    return _annotated([images[stem] for stem in stems], rows, lambda row, column: str(sources[row][column]))


def stored_number(path: Path) -> str:
    """Read the one number of a .npy file as text; copies in circulation keep it as a number or as a string."""
    try:
        with path.open("rb") as file:
            header = read_header(file)
            if math.prod(header.shape) != 1:
                shape = list(header.shape)
                raise DataError(f"{path}: holds an array of shape {shape}, and should hold one number. {COMPLETE}")
            return str(read_values(file, header).reshape(-1)[0])
    except DataError:
        raise
    except (OSError, ValueError, MemoryError) as error:
        raise DataError(f"{path}: is no annotation that can be read ({first_line(error)}). {COMPLETE}") from error


def _of_list(root: Path, table: Path) -> Listing:
    lines, paths, rows = zip(*_lines(table), strict=True)
    pictures = _pictures(root, table, paths[0])
    images = [pictures / path for path in paths]
    read = partial(_annotated, images, list(rows), lambda row, column: f"{table}, line {lines[row]}")
    there = [image.is_file() for image in images]  # half a million questions to the disk: each is asked once
    for line, image, (code, *_), present in zip(lines, images, rows, there, strict=True):
        if not present and code not in LEFT_OUT:
            raise DataError(f"{table}, line {line}: names an image that is not there, {image}. {COMPLETE}")
    return Listing(root, table.name, [str(table), *(str(image) for image in compress(images, there))], read)


def _lines(table: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the number of each line, the path of its image, and expression, valence and arousal as text. Copies without
    a header have the columns in their usual order."""
    count = 0
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            first = [cell.strip() for cell in next(reader, [])]
            names, places = _columns(table, first)
            headed = COLUMNS[0] in first
            for cells in reader if headed else chain([first], reader):
                if len(cells) != len(names):
                    raise DataError(f"{table}, line {reader.line_num}: has {len(cells)} columns, not {len(names)}.")
                path, *numbers = (cells[place].strip() for place in places)
                _check_inside(path, f"{table}, line {reader.line_num}")
                count += 1
                yield count + headed, path, numbers
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read after line {count + 1} ({first_line(error)}). {COMPLETE}") from error
    if not count:
        raise DataError(f"{table}: lists no image. {COMPLETE}")


def _check_inside(path: str, where: str) -> None:
    """Raise DataError where a list names an image by a path that leads out of the folder of images."""
    if not path or os.path.isabs(path) or ".." in Path(path).parts:
        raise DataError(f"{where}: {shortened(repr(path))} is no path below the folder of images. {COMPLETE}")


def _columns(table: Path, first: Sequence[str]) -> tuple[Sequence[str], list[int]]:
    """Return the columns of a list that begins with this line, and the places of those that are needed."""
    names = first if COLUMNS[0] in first else COLUMNS
    absent = [name for name in NEEDED if name not in names]
    if absent or len(first) != len(names):
        missing, seen = ", ".join(absent or NEEDED), shortened(", ".join(first))
        raise DataError(f"{table}: has no column {missing}; its first line is: {seen}. Use AffectNet's own lists.")
    return names, [names.index(name) for name in NEEDED]


def _pictures(root: Path, table: Path, path: str) -> Path:
    """Find the folder that the paths of a list start from."""
    places = [
        around / place for around in dict.fromkeys((root, table.parent, table.parent.parent)) for place in PICTURES
    ]
    for place in places:
        if (place / path).is_file():
            return place
    looked = ", ".join(str(place) for place in places[: len(PICTURES)])
    raise DataError(f"{table}: its first image, {path}, was not found. Looked in {looked}.")


def _annotated(images: list[Path], rows: list[list[str]], where: Callable[[int, int], str]) -> Annotated:
    """Parse and check annotations: `rows` are expression, valence and arousal as text, and `where` names the source of
    a row's column."""
    values = np.array([[_number(text, where, row, column) for column, text in enumerate(texts)]
                       for row, texts in enumerate(rows)])  # fmt: skip
    codes, affect = values[:, 0], values[:, 1:]
    strange = (codes != np.rint(codes)) | (codes < 0) | (codes >= CODES)
    if strange.any():
        row = int(strange.argmax())
        raise DataError(f"{where(row, 0)}: expression {codes[row]:g} is no code from 0 to {CODES - 1}. {COMPLETE}")
    outside = (np.abs(affect) > 1) & (affect != UNRATED)
    if outside.any():
        row, column = (int(place) for place in np.argwhere(outside)[0])
        name = list(ENDINGS_OF.values())[column + 1]
        raise DataError(
            f"{where(row, column + 1)}: {name} {affect[row, column]:g} is neither in [-1, 1] nor -2. {COMPLETE}"
        )
    return Annotated(images, codes.astype(np.int64), affect.astype(np.float32))


def _number(text: str, where: Callable[[int, int], str], row: int, column: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if np.isnan(number):
        name = list(ENDINGS_OF.values())[column]
        raise DataError(f"{where(row, column)}: {name} {shortened(repr(text))} is no number. {COMPLETE}")
    return number

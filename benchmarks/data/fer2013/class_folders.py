"""Reader of FER2013 as class folders: train/<class>/Training_<number>.jpg, test/<class>/PublicTest_<number>.jpg and
PrivateTest_<number>.jpg. The split is in the file's name: `test` holds two of them."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError
from benchmarks.data.expressions import FER2013_CLASSES, SYNONYMS, expression, suggestion
from benchmarks.data.fer2013.decode import decode_grey
from benchmarks.data.fer2013.official import USAGES
from benchmarks.data.fer2013.table import IMAGE_SIZE, Rows
from benchmarks.data.walk import ENDINGS, Walk, is_image, subfolders, walk

FOLDER_USAGES = {"train": ("Training",), "test": ("PublicTest", "PrivateTest")}
LOSSY_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif")
FILE_NAME = re.compile(rf"({'|'.join(USAGES)})_\d+\.\w+")


@dataclass(frozen=True)
class ImageFile:
    path: str
    target: int
    usage: int


def why_not(root: Path) -> str | None:
    """Say what keeps a folder from being this form; return None where nothing does."""
    folders = _split_folders(root)
    if not folders:
        return "no folders train and test"
    names = [name for folder in folders for name in subfolders(root / folder)]
    if not any(expression(name) in FER2013_CLASSES for name in names):
        return f"folders train and test without class folders ({', '.join(FER2013_CLASSES)})"
    return None


def read(root: Path) -> Rows:
    """Read all images, in no order that means anything; raise DataError naming the folder or the file."""
    walked = walk_splits(root)
    images, others = _scan(walked)
    if len({image.usage for image in images}) == len(USAGES):
        _check_filled(root, images)
    pixels = np.empty((len(images), IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    for row, image in enumerate(images):
        with open(image.path, "rb") as stream:
            pixels[row] = decode_grey(stream.read(), IMAGE_SIZE, image.path)
    notes = []
    if others:
        kinds = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in sorted(others.items()))
        notes.append(f"Files that are no images were left out: {kinds}.")
    if any(image.path.lower().endswith(LOSSY_ENDINGS) for image in images):
        notes.append("JPEG may hold other pixels than the original CSV; the fingerprint is another then, too.")
    targets = np.array([image.target for image in images], dtype=np.int64)
    usages = np.array([image.usage for image in images], dtype=np.int64)
    # The numbers in the file names of the copies in circulation are not row numbers.
    return Rows(pixels, targets, usages, ordered=False, notes=tuple(notes))


def _split_folders(root: Path) -> list[str]:
    return [name for name in subfolders(root) if name.lower() in FOLDER_USAGES]


def walk_splits(root: Path) -> Walk:
    """Walk the folders train and test, which are the content of this form.

    Raises DataError where a class folder leads to the files of another one.
    """
    walked = walk(root, _split_folders(root), by_name=True)
    for repeat in walked.repeats:
        if repeat.folder and not f"{repeat.path}/".startswith(f"{repeat.first}/"):
            raise DataError(
                f"{root / repeat.path}: leads to the same files as {root / repeat.first}, which would give them a "
                "second class or split. Remove one of the two."
            )
    return walked


def _scan(walked: Walk) -> tuple[list[ImageFile], Counter[str]]:
    """Return the images, sorted by path, and the number of other files for each ending."""
    images = [_image_file(walked.root, path) for path in sorted(map(str, walked.paths())) if is_image(path)]
    others = Counter(os.path.splitext(file)[1].lower() for file in walked.files if not is_image(file))
    return images, others


def _check_filled(root: Path, images: Sequence[ImageFile]) -> None:
    """Raise DataError where a class folder holds no image, though every part of the data has some."""
    filled = {Path(image.path).parent for image in images}
    for folder in (root / split / name for split in _split_folders(root) for name in subfolders(root / split)):
        if folder not in filled:
            raise DataError(f"{folder}: holds no image that can be read ({', '.join(ENDINGS)}). Use a complete copy.")


def _image_file(root: Path, path: str) -> ImageFile:
    folder, *classes, name = os.path.relpath(path, root).split(os.sep)
    if len(classes) != 1:
        raise DataError(f"{path}: an image that is not in a class folder; expected {folder}/<class>/{name}.")
    return ImageFile(path, _target(os.path.dirname(path), classes[0]), _usage(path, folder, name))


def _target(path: str, folder: str) -> int:
    name = expression(folder)
    if name not in FER2013_CLASSES:
        raise DataError(
            f"{path}: no class is called {folder!r}.{suggestion(folder, (*FER2013_CLASSES, *SYNONYMS))} "
            f"The class folders are {', '.join(FER2013_CLASSES)}."
        )
    return FER2013_CLASSES.index(name)


def _usage(path: str, folder: str, name: str) -> int:
    match = FILE_NAME.fullmatch(name)
    if match is None:
        raise DataError(
            f"{path}: the name does not say the split. Names are {', '.join(f'{usage}_<number>' for usage in USAGES)}; "
            "a copy under other names cannot be split as published."
        )
    if match[1] not in FOLDER_USAGES[folder.lower()]:
        raise DataError(f"{path}: an image of {match[1]} in the folder {folder!r}. One of the two is wrong.")
    return USAGES.index(match[1])

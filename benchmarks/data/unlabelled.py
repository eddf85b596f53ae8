"""Images without labels beside a data set: any folder of them, read as the data set's own are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from benchmarks.data.channels import in_channels
from benchmarks.data.dataset import Dataset
from benchmarks.data.errors import DataError
from benchmarks.data.image_files import read_images
from benchmarks.data.walk import ENDINGS, walk


def with_unlabelled(dataset: Dataset, folder: Path | None, member: str) -> Dataset:
    """Add the images below a folder, at the size and with the channels of the data set's own.

    Raises DataError where no folder is given for the member, or it holds no images that can be read.
    """
    if folder is None:
        raise DataError(f"{member} learns from images without labels: name their folder by --unlabelled DIR.")
    root = Path(os.path.expanduser(folder))
    if not root.is_dir():
        raise DataError(f"--unlabelled {folder}: there is no such folder.")
    files = [path for path in walk(root).paths() if path.suffix.lower() in ENDINGS]
    if not files:
        raise DataError(f"--unlabelled {folder}: there are no images in it ({', '.join(ENDINGS)}).")
    channels, side = dataset.train.images.shape[1:3]
    notes: list[str] = []
    images = in_channels(read_images(files, side, notes), channels)
    return replace(dataset, unlabelled=images, notes=(*dataset.notes, *notes))

"""Where pixels lie: in memory, or, where they are many, in a file that is mapped into it."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.data.errors import DataError

# Of one array. A computer of 8 GB holds 57,000 faces of 112x112 in colour, twice while they are sorted, beside a
# network. More are read from the disk batch by batch, as fast as its cache allows.
MAPPED_BYTES = 2 * 2**30
BLOCK_BYTES = 2**24


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Make an uint8 array to be filled; past MAPPED_BYTES a memory map of a file that goes when the array does.

    Raises DataError where the disk has no room for the file.
    """
    size = math.prod(shape)
    if size <= MAPPED_BYTES:
        return np.empty(shape, dtype=np.uint8)
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size:  # a map of a full disk ends the process, without any error to catch
        raise DataError(
            f"{folder}: {size / 1e9:.1f} GB of decoded images do not fit on this disk, which has {free / 1e9:.1f} GB "
            "left. Set BENCHMARK_CACHE to a folder elsewhere, or store smaller images: --image-side N"
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(size)
        return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)


def on_disk(array: np.ndarray) -> np.ndarray:
    """Return an array as a read-only memory map of a file that goes when it does: its memory can be had again.

    Raises DataError where the disk has no room for the file.
    """
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            array.tofile(file)
            file.flush()
        except OSError as error:
            raise DataError(
                f"{folder}: {array.nbytes / 1e9:.1f} GB of probabilities do not fit on this disk ({error}). Set "
                "BENCHMARK_CACHE to a folder elsewhere"
            ) from error
        return np.memmap(file, dtype=array.dtype, mode="r", shape=array.shape)


def take(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Take `images[rows]` of uint8 [N,...] and int64 [M], past the limit with one block of it at a time in memory."""
    chosen = empty((len(rows), *images.shape[1:]))
    step = max(1, BLOCK_BYTES // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(rows), step):
        chosen[start : start + step] = images[rows[start : start + step]]
    return chosen


def cache_directory(cache_dir: Path | None = None) -> Path:
    """Return where decoded data sets lie: the argument, else $BENCHMARK_CACHE, else ~/.cache/fer-ensembles."""
    if cache_dir is not None:
        return Path(cache_dir)
    try:
        return Path(os.environ.get("BENCHMARK_CACHE") or "~/.cache/fer-ensembles").expanduser()
    except RuntimeError as error:  # as for a container's user without an entry in the password file
        raise DataError("There is no home folder to cache decoded data in. Set BENCHMARK_CACHE to a folder.") from error

"""FER2013 (Goodfellow et al. 2013, arXiv 1307.0414): 35,887 grey faces, 48x48 pixels, seven emotions, three splits."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.data.cache import cached
from benchmarks.data.dataset import Dataset
from benchmarks.data.errors import DataError, first_line
from benchmarks.data.fer2013 import class_folders, pixel_csv
from benchmarks.data.fer2013 import parquet as image_parquet
from benchmarks.data.fer2013.locate import FORMS, Source, find
from benchmarks.data.fer2013.table import Rows, dataset_of

# Of the copies on Kaggle, this one is the original CSV. The more popular class folders (msambare/fer2013) are JPEG, and
# their pixels are not the original ones.
KAGGLE_DATASET = "deadskull7/fer2013"


def load(data_dir: Path | None = None, *, cache_dir: Path | None = None) -> Dataset:
    """Load FER2013 from any form: images [N, 1, 48, 48]; Training, PublicTest, PrivateTest as train, val, test.

    data_dir   a file or a folder, and then only there; else $BENCHMARK_DATA, else data/fer2013
    cache_dir  of the decoded arrays; else $BENCHMARK_CACHE, else ~/.cache/fer-ensembles

    Raises DataError where there is no data or it is not what it should be.
    """
    source = find(data_dir)
    try:
        walked = class_folders.walk_splits(source.path) if source.form == "folders" else None
        files = sorted(map(str, source.files if walked is None else walked.paths()))
        dataset = cached("fer2013", source.path, files, lambda: _build(source), cache_dir)
    except OSError as error:
        raise DataError(f"{error.filename or source.path}: cannot be read ({first_line(error)}).") from error
    left_out = () if walked is None else walked.notes()
    return replace(dataset, notes=(*source.notes, *dataset.notes, *left_out))


def download(target_dir: Path) -> Path:
    """Put fer2013.csv into `target_dir` and return its path, or that of a usable copy in any form that is there
    already.

    Raises DataError where kagglehub is not installed or the download fails.
    """
    target = Path(os.path.expanduser(target_dir))
    try:
        return find(target).path
    except DataError:
        pass  # nothing usable yet: that is what a download is for
    try:
        import kagglehub
    except ImportError as error:
        raise DataError('The download needs kagglehub: pip install -e ".[download]"') from error
    try:
        folder = Path(kagglehub.dataset_download(KAGGLE_DATASET))
    except Exception as error:  # kagglehub raises its own, requests' and OSError alike
        raise DataError(
            f"Kaggle's data set {KAGGLE_DATASET} could not be downloaded ({error}). Is there a network? If Kaggle asks "
            "for an account, put an API token in ~/.kaggle/kaggle.json, or download fer2013.csv in a browser from "
            f"https://www.kaggle.com/datasets/{KAGGLE_DATASET} and give its place: --data PATH"
        ) from error
    source = find(folder)
    if source.form != "csv":
        raise DataError(f"Kaggle's data set {KAGGLE_DATASET} holds no CSV any more but {FORMS[source.form]}: {folder}")
    return _copy(source.path, target / source.path.name)


def _build(source: Source) -> Dataset:
    readers: dict[str, Callable[[], Rows]] = {
        "csv": lambda: pixel_csv.read(source.path),
        "parquet": lambda: image_parquet.read(source.files),
        "folders": lambda: class_folders.read(source.path),
    }
    return dataset_of(readers[source.form](), FORMS[source.form], str(source.path))


def _copy(source: Path, target: Path) -> Path:
    """Copy by way of a temporary name, so that a copy that was interrupted is never taken for the data."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        shutil.copyfile(source, Path(folder) / target.name)
        os.replace(Path(folder) / target.name, target)
    return target

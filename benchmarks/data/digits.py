"""scikit-learn's bundled handwritten digits: 1,797 images of 8x8, ten classes. The smallest real data to run all on."""

from pathlib import Path

import numpy as np

from benchmarks.data.dataset import Dataset, Split
from benchmarks.data.fingerprint import assemble

CLASSES = tuple("0123456789")
INK_LEVELS = 16
HELD_OUT = 360  # rows of val, and of test
SEED = 0


def load(data_dir: Path | None = None, *, cache_dir: Path | None = None) -> Dataset:
    """Split the images [N, 1, 8, 8] into 1,077 train, 360 val and 360 test rows, stratified by class and the same on
    every call.

    The arguments are those of every data set's load. Nothing is looked for and nothing is cached here: the images come
    with scikit-learn and are read in milliseconds.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / INK_LEVELS)).astype(np.uint8)[:, None]
    targets = bunch.target.astype(np.int64)
    rest, test = train_test_split(np.arange(len(targets)), test_size=HELD_OUT, stratify=targets, random_state=SEED)
    train, val = train_test_split(rest, test_size=HELD_OUT, stratify=targets[rest], random_state=SEED)
    splits = {
        name: Split(images[rows], targets[rows], np.zeros(len(rows), dtype=str), rows=rows)
        for name, rows in (("train", train), ("val", val), ("test", test))
    }
    return assemble(splits, CLASSES, "digits of scikit-learn")

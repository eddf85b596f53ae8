"""scikit-learn's bundled handwritten digits: 1,797 images of 8x8, ten classes. The smallest real data to run all on."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.data.dataset import Dataset, Split
from benchmarks.data.fingerprint import assemble
from benchmarks.data.splits import shuffled_shares

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
    pixels, targets = _read()
    images = np.rint(pixels * (255 / INK_LEVELS)).astype(np.uint8)
    rest, test = shuffled_shares(targets, HELD_OUT, SEED)
    stays, held = shuffled_shares(targets[rest], HELD_OUT, SEED)
    train, val = rest[stays], rest[held]
    splits = {
        name: Split(images[rows], targets[rows], np.zeros(len(rows), dtype=str), rows=rows)
        for name, rows in (("train", train), ("val", val), ("test", test))
    }
    return assemble(splits, CLASSES, "digits of scikit-learn")


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels [N, 1, 8, 8] from 0 to 16, and targets int64 [N].

    The file is read without scikit-learn, whose import takes a second; where it has moved, scikit-learn knows.
    """
    package = find_spec("sklearn")
    folder = Path(package.origin).parent if package and package.origin else Path()
    file = folder / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        table = np.loadtxt(file, delimiter=",")
        return table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images[:, None], bunch.target.astype(np.int64)

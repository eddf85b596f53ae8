"""Groups of images that show one photograph, across all splits, and labels that contradict each other in one group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.data.copies import Pairs, near_pairs
from benchmarks.data.dataset import Dataset
from benchmarks.data.fingerprint import digests
from benchmarks.data.mapped import empty


@dataclass(frozen=True, eq=False)
class CopyGroups:
    """Images that have a copy, of all splits, a group after the other: arrays of one length.

    group    int64, numbers from 0
    split    index of SPLIT_NAMES
    row      place in the split
    exact    whether another image of the group has the same pixels
    pairs    what the groups are made of, by rows of all splits end to end
    """

    group: np.ndarray
    split: np.ndarray
    row: np.ndarray
    exact: np.ndarray
    pairs: Pairs

    def conflicting(self, dataset: Dataset) -> np.ndarray:
        """Return the numbers of the groups whose images have different labels."""
        return self._with_several(self.labels(dataset))

    def labels(self, dataset: Dataset) -> np.ndarray:
        """Return the class of each image."""
        splits = list(dataset.splits().values())
        return np.array(
            [splits[split].targets[row] for split, row in zip(self.split, self.row, strict=True)], dtype=int
        )

    def across(self) -> np.ndarray:
        """Return the numbers of the groups that stand in more than one split."""
        return self._with_several(self.split)

    def _with_several(self, values: np.ndarray) -> np.ndarray:
        """Return the numbers of the groups whose images have more than one of `values`."""
        different = np.unique(np.stack([self.group, values]), axis=1)
        return np.flatnonzero(np.bincount(different[0].astype(np.int64)) > 1)


def copy_groups(dataset: Dataset) -> CopyGroups:
    """Find the groups of near copies in all splits of a data set."""
    splits = list(dataset.splits().values())
    images = empty((sum(map(len, splits)), *splits[0].images.shape[1:]))
    np.concatenate([split.images for split in splits], out=images)
    pairs = near_pairs(images)
    labels = components(pairs, len(images))
    sizes = np.bincount(labels, minlength=len(images))
    chosen = np.flatnonzero(sizes[labels] > 1)
    chosen = chosen[np.argsort(labels[chosen], kind="stable")]
    pixels = dict[bytes, int]()
    own = digests(images[chosen])
    for digest in own:
        pixels[digest] = pixels.get(digest, 0) + 1
    starts = np.cumsum([0, *map(len, splits)])
    split = np.searchsorted(starts, chosen, side="right") - 1
    return CopyGroups(
        group=np.unique(labels[chosen], return_inverse=True)[1],
        split=split,
        row=chosen - starts[split],
        exact=np.array([pixels[digest] > 1 for digest in own], dtype=bool),
        pairs=pairs,
    )


def components(pairs: Pairs, count: int) -> np.ndarray:
    """Return a number for each of `count` rows int64 [count]: the least row that pairs lead to, by any way."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(pairs.first), dtype=bool), (pairs.first, pairs.second)), shape=(count, count))
    label = connected_components(edges, directed=False)[1]
    least = np.full(label.max(initial=-1) + 1, count)
    np.minimum.at(least, label, np.arange(count))
    return least[label]

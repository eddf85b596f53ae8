"""The nearest points of many: float32 finds who may be among them, float64 says who is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ensembles.arrays import FloatArray, IntArray

QUANTUM = 1e-7  # mean squared distances closer than this are equal, and the earlier point is the nearer
KEYS_AT_ONCE = 2**19  # products of queries and points: 2 MB in float32
VALUES_AT_ONCE = 2**14  # of differences between queries and points: what is read, subtracted and squared in the cache
WORTH_LISTING = 1 / 16  # of the points; of a query to which more are alike the nearest, all are compared
LARGEST = 1e15  # of a coordinate; beyond, products overflow in float32


def nearest(queries: FloatArray, points: FloatArray, count: int) -> IntArray:
    """Return indices `[queries, count]` of the nearest points, the nearest first; of points at one distance, the first.

    Queries are `[queries, F]`, points `[points, F]`, distances Euclidean. Of fewer points than `count`, all are
    returned. Products in float32 leave out points that are farther than they can be wrong; those that are left are
    compared in float64. So neither the rounding of the products nor the order in which a processor sums them shows.
    """
    found = np.empty((len(queries), min(count, len(points))), dtype=np.int64)
    usual = count < len(points) and max(np.abs(queries).max(initial=0.0), np.abs(points).max()) < LARGEST
    size = min(max(1, KEYS_AT_ONCE // len(points)), len(queries))
    candidates = _Candidates(points, count, size) if usual else None
    for start in range(0, len(queries), max(1, size)):
        rows = slice(start, start + size)
        if candidates is None:
            found[rows] = _among_all(queries[rows], points, count)
            continue
        row, column, few = candidates.of(queries[rows])
        if not few.all():
            found[rows][~few] = _among_all(queries[rows][~few], points, count)
        if few.any():
            found[rows][few] = candidates.first(queries[rows], row, column)
    return found


class _Candidates:
    """Which points may be among the nearest `count` of a query, and which of these are.

    A point's key is half its squared distance less half the query's squared length: |p|^2 / 2 - q p, a product of
    vectors of F + 1 numbers. `most` is how many queries there are at once.
    """

    def __init__(self, points: FloatArray, count: int, most: int) -> None:
        self.points, self.count = points, count
        half = np.einsum("nf,nf->n", points, points) / 2.0
        self.longest = float(np.sqrt(2.0 * half.max()))
        self.columns = np.empty((points.shape[1] + 1, len(points)), dtype=np.float32)
        self.columns[:-1], self.columns[-1] = -points.T, half
        self.keys = np.empty((most, len(points)), dtype=np.float32)
        self.lowest = np.empty((most, len(points) // 2), dtype=np.float32)
        self.near = np.empty(self.keys.shape, dtype=bool)

    def of(self, queries: FloatArray) -> tuple[IntArray, IntArray, npt.NDArray[np.bool_]]:
        """Return pairs of a query and a point that may be one of its nearest, by query and by point, and for which
        queries these are few, `[queries]`; the pairs are of those alone."""
        extended = np.ones((len(queries), len(self.columns)), dtype=np.float32)
        extended[:, :-1] = queries
        keys = np.matmul(extended, self.columns, out=self.keys[: len(queries)])
        # A sum of n products of numbers that were rounded to float32 is wrong by n + 2 half-steps of the sum of their
        # sizes at most, in whatever order it is taken. By Cauchy and Schwarz that is |p| (|q| + |p|) at most.
        length = np.sqrt(np.einsum("nf,nf->n", queries, queries))
        error = np.finfo(np.float32).eps * len(self.columns) * self.longest * (length + self.longest)
        limit = self._upper_bounds(keys) + 2.0 * error + QUANTUM * self.points.shape[1]
        above = np.nextafter(limit.astype(np.float32), np.float32(np.inf))
        near = np.less_equal(keys, above[:, None], out=self.near[: len(queries)])
        row, column = np.divmod(np.flatnonzero(near), len(self.points))
        few = np.bincount(row, minlength=len(queries)) <= max(2 * self.count, WORTH_LISTING * len(self.points))
        return (row, column, few) if few.all() else (row[few[row]], column[few[row]], few)

    def _upper_bounds(self, keys: npt.NDArray[np.float32]) -> FloatArray:
        """Return for each query a number, `[queries]`, that the keys of `count` points do not exceed.

        It is the `count`-th of the least keys of groups of points, which is found several times as fast as that of all.
        """
        lowest, width = keys, len(self.points)
        while width >= 16 * self.count:
            width //= 2  # of an odd number, one is left out: a bound it is all the same
            halves = lowest[:, :width], lowest[:, width : 2 * width]
            lowest = np.minimum(*halves, out=self.lowest[: len(keys), :width])
        bounds: FloatArray = np.partition(lowest[:, :width], self.count - 1)[:, self.count - 1].astype(np.float64)
        return bounds

    def first(self, queries: FloatArray, row: IntArray, column: IntArray) -> IntArray:
        """Return for each query in `row` the nearest `count` of the points it is paired with, `[queries, count]`."""
        squared = np.empty(len(row))
        size = max(1, VALUES_AT_ONCE // self.points.shape[1])
        for start in range(0, len(row), size):
            pairs = slice(start, start + size)
            apart = queries.take(row[pairs], axis=0)
            apart -= self.points.take(column[pairs], axis=0)
            np.einsum("nf,nf->n", apart, apart, out=squared[pairs])
        squared /= QUANTUM * self.points.shape[1]
        begins = np.flatnonzero(np.diff(row, prepend=-1))
        sizes = np.diff(begins, append=len(row))
        place = np.arange(len(row)) - np.repeat(begins, sizes)
        table = np.full((len(begins), sizes.max()), np.inf)
        table[np.repeat(np.arange(len(begins)), sizes), place] = _whole(squared, len(self.points))
        order = table.argsort(axis=1, kind="stable")[:, : self.count]  # points at one distance keep their order
        chosen: IntArray = column[begins[:, None] + order]
        return chosen


def _among_all(queries: FloatArray, points: FloatArray, count: int) -> IntArray:
    """Return indices `[queries, count]` of the nearest, or of all points where they are fewer: all are compared."""
    quantum = QUANTUM * points.shape[1]
    keys = queries @ points.T
    keys *= -2.0 / quantum
    keys += (queries**2).sum(axis=1)[:, None] / quantum
    keys += (points**2).sum(axis=1) / quantum
    # Distance and index in one whole number: no ties are left, and rounding cannot part images that are the same.
    keys = _whole(keys, len(points))
    keys *= len(points)
    keys += np.arange(len(points))
    if count < len(points):
        keys.partition(count - 1, axis=1)
    return np.sort(keys[:, :count], axis=1).astype(np.int64) % len(points)


def _whole(quanta: FloatArray, points: int) -> FloatArray:
    """Return squared distances in whole quanta, in place; few enough to stay exact beside the index of a point."""
    np.minimum(quanta, 2**52 // points - 1, out=quanta)
    return np.rint(quanta, out=quanta)

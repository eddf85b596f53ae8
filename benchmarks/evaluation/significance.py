"""What a difference between two rows of the leaderboard is worth: intervals, paired tests, ranks with ties.

Everything works on correctness: `[R, N]`, one row a member or ensemble, one column a test image, 1 where the top class
is the target. The columns of all rows are the same images, so every comparison is paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from string import ascii_letters

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembles.arrays import EXACT

Z95 = 1.959964  # of the normal distribution, 97.5 % lie below
DRAWS_AT_ONCE = 64  # 64 x 3,589 counts stay in a core's second-level cache, where counting is fastest
ROWS_AT_ONCE = 16  # whose draws are sorted, in copies
KEPT_COUNTS = 64_000_000  # bytes of counts kept for the next rows on the same images: counting is slower than summing


def bootstrap_intervals(
    correct: ArrayLike,
    draws: int = 10_000,
    level: float = 0.95,
    random_state: int = 0,
    groups: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return percentile bootstrap intervals `[R, 2]` of the mean of each row of `correct [R, N]`.

    Images are drawn with replacement; each draw serves all rows, so differences between rows are paired. With `groups`
    [N], whole groups are drawn instead, such as all images of a person: one person's images stand or fall together, and
    intervals over images would be too narrow. The sums of 0/1 rows are whole numbers below 2**24, exact in float32: the
    same seed gives the same bytes on every machine. Raises ValueError unless `correct` is a matrix with at least one
    column.
    """
    columns = np.ascontiguousarray(np.asarray(correct, dtype=np.float32).T)
    return quantile_intervals(_draw_means(columns, draws, random_state, groups), level)


def bootstrap_means(
    values: ArrayLike, draws: int = 10_000, random_state: int = 0, groups: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the mean `[draws, R]` of each row of `values [R, N]` in every draw of `bootstrap_intervals`.

    The same seed gives the same draws there and here, whatever the rows: differences and ratios of means stay paired.
    Values are summed in float64, but for small whole numbers, whose sums are exact in float32. Raises ValueError as
    `bootstrap_intervals` does.
    """
    known = np.asarray(values)
    whole = known.dtype.kind in "biu" and known.size > 0 and np.abs(known).max() * known.shape[-1] < EXACT
    columns: NDArray[np.floating] = np.ascontiguousarray(known.T, dtype=np.float32 if whole else np.float64)
    return _draw_means(columns, draws, random_state, groups)


def quantile_intervals(means: NDArray[np.float64], level: float = 0.95) -> NDArray[np.float64]:
    """Return percentile intervals `[R, 2]` of means `[draws, R]`."""
    tail, bounds = (1.0 - level) / 2.0, np.empty((means.shape[1], 2))
    for start in range(0, len(bounds), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        by_row = np.array(means[:, rows].T, order="C")  # numbers side by side are sorted faster
        bounds[rows] = np.quantile(by_row, [tail, 1.0 - tail], axis=1, overwrite_input=True).T
    return bounds


def _draw_means(
    columns: NDArray[np.floating], draws: int, random_state: int, groups: ArrayLike | None
) -> NDArray[np.float64]:
    """Return the means `[draws, R]` of `columns [N, R]`."""
    if columns.ndim != 2 or len(columns) == 0:
        raise ValueError(f"expected correctness or other values [R, N] with N > 0, got shape {columns.shape[::-1]}")
    if groups is not None:
        return _group_means(columns, np.asarray(groups), draws, np.random.default_rng(random_state))
    sums = np.empty((draws, columns.shape[1]), dtype=columns.dtype)
    few = draws * len(columns) <= KEPT_COUNTS
    blocks: Iterable[NDArray[np.number]] = (_kept_counts if few else _counts)(random_state, draws, len(columns))
    for place, counts in enumerate(blocks):
        sums[place * DRAWS_AT_ONCE : place * DRAWS_AT_ONCE + len(counts)] = counts.astype(columns.dtype) @ columns
    means = sums.astype(np.float64, copy=False)
    means /= len(columns)
    return means


def _counts(random_state: int, draws: int, images: int) -> Iterator[NDArray[np.float32]]:
    """Yield the counts of `draws`, some at once."""
    rng = np.random.default_rng(random_state)
    for start in range(0, draws, DRAWS_AT_ONCE):
        yield image_counts(rng, min(DRAWS_AT_ONCE, draws - start), images)


@lru_cache(maxsize=1)
def _kept_counts(random_state: int, draws: int, images: int) -> list[NDArray[np.uint8]]:
    # No image is drawn 256 times: in as many draws as there are images, it is once on average.
    return [counts.astype(np.uint8) for counts in _counts(random_state, draws, images)]


def forget_draws() -> None:
    """Free the counts that were kept for the next rows, of which there are none."""
    _kept_counts.cache_clear()


def _group_means(
    columns: NDArray[np.floating], groups: NDArray[np.integer], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw groups [N] of images: each draw's mean is over as many images as its groups have."""
    names, group_of = np.unique(groups, return_inverse=True)
    members = np.eye(len(names), dtype=columns.dtype)[group_of]
    taken = image_counts(rng, draws, len(names))
    means = (taken @ (members.T @ columns)) / (taken @ members.sum(axis=0))[:, None]
    return means.astype(np.float64)


def image_counts(rng: np.random.Generator, draws: int, images: int) -> NDArray[np.float32]:
    """Draw `images` out of `images`, `draws` times: counts `[draws, images]`, rows summing to `images`."""
    taken = rng.integers(images, size=(draws, images))
    taken += images * np.arange(draws)[:, None]
    return np.bincount(taken.ravel(), minlength=draws * images).reshape(draws, images).astype(np.float32)


def wilson_interval(hits: int, count: int) -> list[float]:
    """Return the 95 % Wilson score interval of a share of `hits` in `count` independent images.

    Wilson 1927, doi:10.1080/01621459.1927.10502953. Unlike the bootstrap's it has a width where all or none are hits,
    and holds its level for small groups.
    """
    share, weight = hits / count, Z95**2 / count
    middle = (share + weight / 2) / (1 + weight)
    half = Z95 / (1 + weight) * math.sqrt(share * (1 - share) / count + weight / (4 * count))
    return [max(0.0, middle - half), min(1.0, middle + half)]


def share_difference_interval(hits: int, count: int, other_hits: int, other_count: int) -> list[float]:
    """Return the 95 % interval of the difference of two shares of different images.

    From the Wilson intervals of both (Newcombe 1998, method 10,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I).
    """
    share, other_share = hits / count, other_hits / other_count
    (low, high), (other_low, other_high) = wilson_interval(hits, count), wilson_interval(other_hits, other_count)
    difference = share - other_share
    return [
        difference - math.hypot(share - low, other_high - other_share),
        difference + math.hypot(high - share, other_share - other_low),
    ]


def mean_interval(values: ArrayLike) -> list[float]:
    """Return the 95 % normal interval of the mean of `values [N]`, one per image, such as shares of votes."""
    numbers = np.asarray(values, dtype=np.float64)
    middle, half = numbers.mean(), Z95 * numbers.std() / math.sqrt(len(numbers))
    return [float(middle - half), float(middle + half)]


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> float:
    """Return the two-sided exact McNemar p of two rows `[N]`: are both right equally often?

    Only images that one row gets right and the other wrong tell anything; under the null each is a fair coin. The exact
    binomial tail costs microseconds at any count, so no chi-square approximation is needed.
    """
    from scipy.special import bdtr  # here, not on top: reading a report needs no scipy

    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"expected two rows of the same length, got shapes {a.shape} and {b.shape}")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(~a & b))
    if only_a == only_b:
        return 1.0
    return float(min(1.0, 2.0 * bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def pairwise_mcnemar(correct: ArrayLike) -> NDArray[np.float64]:
    """Return `mcnemar` of every pair of rows of `correct [R, N]`: `[R, R]`, symmetric, 1 on the diagonal."""
    from scipy.special import bdtr

    right = np.asarray(correct, dtype=bool)
    if right.ndim != 2:
        raise ValueError(f"expected correctness [R, N], got shape {right.shape}")
    only_first = (right.astype(np.float32) @ (~right).T.astype(np.float32)).astype(np.int64)  # exact below 2**24
    fewer, apart = np.minimum(only_first, only_first.T), only_first + only_first.T
    return np.minimum(1.0, np.where(apart > 0, 2.0 * bdtr(fewer, np.maximum(apart, 1), 0.5), 1.0))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values `[K]` of one family of tests by Holm's method (1979, jstor.org/stable/4615733).

    The chance of any false discovery in the family (family-wise error) stays below alpha whatever the dependence.

    The smallest is multiplied by K, the next by K - 1, and so on; none ends below a smaller one, none above 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def separated(correct: ArrayLike, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Which rows of `correct [R, N]` are told apart: `[R, R]`, symmetric, False on the diagonal.

    Two rows are where McNemar's p, Holm-adjusted over all pairs of rows, is below alpha: the chance that any pair is
    told apart though both are right equally often stays below alpha.
    """
    rows = len(np.asarray(correct))
    first, second = np.triu_indices(rows, 1)
    apart = np.zeros((rows, rows), dtype=bool)
    apart[first, second] = holm(pairwise_mcnemar(correct)[first, second]) < alpha
    return apart | apart.T


def letters(accuracy: Sequence[float], correct: ArrayLike, alpha: float = 0.05) -> list[str]:
    """Return the compact letter display: two rows share a letter exactly where nothing separates them.

    Which pairs are told apart: `separated`. Insert and absorb (Piepho 2004, doi:10.1198/1061860043515): every such pair
    splits each letter that holds both, and a letter whose rows another letter holds as well is dropped. Letters run
    from the best row down.
    """
    rows, order = len(accuracy), sorted(range(len(accuracy)), key=lambda row: -accuracy[row])
    shared = [frozenset(range(rows))] if rows else []
    for pair in np.argwhere(np.triu(separated(correct, alpha))).tolist():
        torn = [group for group in shared if group.issuperset(pair)]
        shared = [group for group in shared if not group.issuperset(pair)]
        for part in [group - {row} for group in torn for row in pair]:
            if not any(part <= group for group in shared):
                shared = [*(group for group in shared if not group < part), part]
    place = {row: index for index, row in enumerate(order)}
    shared.sort(key=lambda group: sorted(place[row] for row in group))
    return ["".join(_letter(index) for index, group in enumerate(shared) if row in group) for row in range(rows)]


def _letter(index: int) -> str:
    """Return a to z and A to Z, then a1, b1 ..."""
    again, place = divmod(index, len(ascii_letters))
    return ascii_letters[place] + (str(again) if again else "")


def ranks(accuracy: Sequence[float], correct: ArrayLike, alpha: float = 0.05) -> list[str]:
    """Return ranks with ties, in the order of the rows: "1", or "2-5" for rows that nothing separates.

    From one more than the rows that are better for sure to all rows less those that are worse for sure; for sure is
    what `separated` tells apart. Rows of one skill then all have all ranks with probability of at least 1 - alpha (rank
    intervals from pairwise tests: arXiv:1708.02729).
    """
    scores, apart = np.asarray(accuracy), separated(correct, alpha)
    better = (apart & (scores[None, :] > scores[:, None])).sum(axis=1)
    worse = (apart & (scores[None, :] < scores[:, None])).sum(axis=1)
    bounds = zip((better + 1).tolist(), (len(scores) - worse).tolist(), strict=True)
    return [str(first) if first == last else f"{first}-{last}" for first, last in bounds]

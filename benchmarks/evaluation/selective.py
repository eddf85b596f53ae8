"""Selective prediction: a model that answers only where it is sure, and how often it is right then.

How sure it is is its top probability. NumPy only; `probabilities [N, C]`, `targets [N]`.
"""

from __future__ import annotations

import numpy as np

FEWEST = 50  # answers on val that a threshold must leave: a share of fewer says little
POINTS = 100  # of a risk-coverage curve
COMPARED_BITS = 40  # of the 53 of a float64: the last ones of an exponential differ between processors


def comparable(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities, float64, without the digits that rounding decides: what was equal ties on every processor.

    Of images that a model is wholly sure of, those digits would make an order.
    """
    fraction, exponent = np.frexp(np.asarray(probabilities, dtype=np.float64))
    return np.ldexp(np.rint(np.ldexp(fraction, COMPARED_BITS)), exponent - COMPARED_BITS)


def confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return how sure each answer is, `[N]`: its top probability, as it can be compared."""
    return comparable(probabilities.max(axis=1))


def threshold(probabilities: np.ndarray, targets: np.ndarray, asked: float) -> float | None:
    """Return the lowest top probability from which on answers are right in at least the share `asked`.

    That leaves as many answers as possible; images that are equally sure are answered together or not at all. None
    where not even the surest are right so often.
    """
    top = probabilities.max(axis=1)
    sure = comparable(top)
    order = np.argsort(-sure, kind="stable")
    right = np.cumsum(probabilities.argmax(axis=1)[order] == targets[order]) / np.arange(1, len(order) + 1)
    last_of_equals = np.append(sure[order][1:] != sure[order][:-1], True)
    enough = np.flatnonzero((right >= asked) & last_of_equals)
    enough = enough[enough >= min(FEWEST, len(order)) - 1]
    return float(top[order[: enough[-1] + 1]].min()) if enough.size else None


def risk_values(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return a value an image `[N]` whose mean is the area under the risk-coverage curve (AURC).

    The curve is the share of errors (risk) among the surest images, over their share of all (coverage); images that are
    equally sure count as in random order. The area is no mean of losses, since an image's rank depends on all others.
    The values are its derivatives by each image's weight, so that resampling them resamples the area to first order
    (infinitesimal jackknife: doi:10.1137/1.9781611970319), and differences between models stay paired.

    Area: Geifman et al. 2019, arXiv:1805.08206.
    """
    count, sure = len(targets), confidence(probabilities)
    order = np.argsort(-sure, kind="stable")
    sure, wrong = sure[order], (probabilities.argmax(axis=1) != targets)[order].astype(np.float64)
    tied = np.cumsum(np.concatenate([[False], sure[1:] != sure[:-1]]))
    sizes = np.bincount(tied)

    def among_tied(values: np.ndarray) -> np.ndarray:
        return (np.bincount(tied, values) / sizes)[tied]

    coverage = np.arange(1, count + 1) / count
    errors = np.cumsum(among_tied(wrong)) / count
    by_own_error = np.cumsum((1 / (count * coverage))[::-1])[::-1]
    by_own_weight = np.cumsum((errors / (count * coverage**2))[::-1])[::-1]
    values = np.empty(count)
    values[order] = among_tied(errors / coverage) + among_tied(by_own_error) * wrong - among_tied(by_own_weight)
    return values


def risk_curve(probabilities: np.ndarray, targets: np.ndarray, points: int = POINTS) -> list[float]:
    """Return the share of errors among the surest 1/points, 2/points ... of the images, the last among all."""
    order = np.argsort(-confidence(probabilities), kind="stable")
    wrong = np.cumsum((probabilities.argmax(axis=1) != targets)[order])
    taken = np.ceil(np.arange(1, points + 1) * len(order) / points).astype(np.int64)
    return (wrong[taken - 1] / taken).tolist()

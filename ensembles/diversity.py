"""How differently members err: measures of pairs, and what an ensemble gains by its members' disagreement.

Pairwise measures take `correct [members, samples]` (bool: which member is right on which image) and return a symmetric
`[members, members]` matrix; ValueError for another shape or type.

Kuncheva and Whitaker 2003: doi:10.1023/A:1022859003006
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ensembles.arrays import EXACT, BoolArray, FloatArray, LogitArray, log_softmax, softmax
from ensembles.checks import check_logits, check_targets


def pairwise_disagreement(correct: npt.ArrayLike) -> FloatArray:
    """Return the share of images that exactly one of the two members gets right; 0 on the diagonal."""
    _, first, second, _ = _shares(correct)
    return first + second


def double_fault(correct: npt.ArrayLike) -> FloatArray:
    """Return the share of images that both members get wrong; on the diagonal, each member's error."""
    return _shares(correct)[3]


def q_statistic(correct: npt.ArrayLike) -> FloatArray:
    """Return Yule's Q, (ad - bc) / (ad + bc): a is the share that both get right, d that both get wrong, b and c one.

    0 for members that err independently, 1 for copies, negative where they err on different images; nan where a product
    of zeros leaves it undefined (a member that is always right, say)."""
    both, first, second, neither = _shares(correct)
    together, apart = both * neither, first * second
    total = together + apart
    return np.divide(together - apart, total, out=np.full_like(total, np.nan), where=total > 0)


def error_correlation(correct: npt.ArrayLike) -> FloatArray:
    """Return the correlation of the members' errors (phi): 0 where they err independently, 1 for copies.

    Unlike Q it is not near 1 for all strong members; nan for a member that is always right or always wrong."""
    both, first, second, neither = _shares(correct)
    spread = np.sqrt((both + first) * (second + neither) * (both + second) * (first + neither))
    return np.divide(both * neither - first * second, spread, out=np.full_like(spread, np.nan), where=spread > 0)


def _shares(correct: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return four shares `[M, M]`: both right, only the row's member right, only the column's member right, neither."""
    right = _checked(correct)
    samples = right.shape[1]
    counted: LogitArray = right.astype(np.float32 if samples < EXACT else np.float64)
    both = (counted @ counted.T).astype(np.float64)
    alone = both.diagonal()
    first, second = alone[:, None] - both, alone - both
    return both / samples, first / samples, second / samples, (samples - both - first - second) / samples


def _checked(correct: npt.ArrayLike) -> BoolArray:
    right = np.asarray(correct)
    if right.dtype != bool or right.ndim != 2 or not right.size:
        raise ValueError(f"correct must be bool [members, samples], got {right.dtype} {list(right.shape)}")
    return right


def oracle_accuracy(correct: npt.ArrayLike) -> float:
    """Return the share of images that at least one member gets right: a bound on choosing a member by image."""
    return float(_checked(correct).any(axis=0).mean())


def kappa_error(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the two axes of a kappa-error diagram, `[members, members]` each.

    They are Cohen's kappa between the classes that two members predict (1 for the same classes, 0 for agreement by
    chance), and the mean of the two members' errors.

    Logits are `[members, samples, classes]`, targets `[samples]`. Kappa is 1 where both always predict one and the same
    class. Margineantu and Dietterich 1997; doi:10.1023/A:1022859003006
    """
    checked = check_logits(logits)
    members, samples, classes = checked.shape
    predicted = checked.argmax(axis=2)
    errors = (predicted != check_targets(targets, samples, classes)).mean(axis=1)
    indicators = (predicted[:, :, None] == np.arange(classes)).astype(float)
    frequencies = indicators.mean(axis=1)
    by_chance = frequencies @ frequencies.T
    flat = indicators.reshape(members, -1)
    agreement = flat @ flat.T / samples
    room = 1.0 - by_chance
    kappa = np.divide(agreement - by_chance, room, out=np.ones_like(room), where=room > 0)
    return kappa, (errors[:, None] + errors) / 2.0


@dataclass(frozen=True)
class Ambiguity:
    """ensemble = members - ambiguity, exactly: the loss of the ensemble, the mean loss of its members, and how far the
    members spread around the ensemble. The ambiguity is never negative and needs no targets."""

    ensemble: float
    members: float
    ambiguity: float


def squared_ambiguity(logits: npt.ArrayLike, targets: npt.ArrayLike) -> Ambiguity:
    """Decompose the squared error (Brier score) of the mean of the members' probabilities.

    The ambiguity is the members' mean squared distance from their mean. Logits are `[members, samples, classes]`,
    targets `[samples]`. Krogh and Vedelsby 1995; arXiv:2301.03962
    """
    checked = check_logits(logits)
    goal = check_targets(targets, *checked.shape[1:])
    probabilities = softmax(checked)
    pool = probabilities.mean(axis=0)
    truth = np.eye(checked.shape[2])[goal]
    return Ambiguity(
        ensemble=float(((pool - truth) ** 2).sum(axis=-1).mean()),
        members=float(((probabilities - truth) ** 2).sum(axis=-1).mean()),
        ambiguity=float(((probabilities - pool) ** 2).sum(axis=-1).mean()),
    )


def log_loss_ambiguity(logits: npt.ArrayLike, targets: npt.ArrayLike) -> Ambiguity:
    """Decompose the log-loss, in nats, of the normalised geometric mean of the members' probabilities.

    The ambiguity is the mean Kullback-Leibler divergence of the members from the pool, KL(pool || member). Logits are
    `[members, samples, classes]`, targets `[samples]`. Heskes 1998; arXiv:2301.03962
    """
    checked = check_logits(logits)
    goal = check_targets(targets, *checked.shape[1:])
    log_probabilities = log_softmax(checked)
    mean = log_probabilities.mean(axis=0)
    log_pool = log_softmax(mean)
    rows = np.arange(len(goal))
    return Ambiguity(
        ensemble=-float(log_pool[rows, goal].mean()),
        members=-float(mean[rows, goal].mean()),
        ambiguity=float((np.exp(log_pool) * (log_pool - mean)).sum(axis=-1).mean()),
    )

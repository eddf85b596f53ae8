"""Losses: of classification, against target distributions, and of valence and arousal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.errors import UnknownName
from zoo.recipes import Loss

LOG_OF_ZERO = -4.0  # the "A" of symmetric cross-entropy: its logarithm of a target of zero
VOTED = 0.3  # the least share of the votes with which a label is one of the right ones
UNLABELLED = -2.0  # AffectNet's value where valence and arousal were not annotated


def build_loss(options: Loss, class_counts: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of the mean loss of logits float32 [B,K] against targets [B,K], whose rows sum to one.

    `class_counts` [K] are the training images of each class, on the device of the logits. As in torch, the mean is
    weighted by each image's class weight; it is 0 where all weights of a batch are. Raises UnknownName for unknown
    options.
    """
    if options.kind not in KINDS:
        raise UnknownName("loss", options.kind, KINDS)
    of_images, weights = KINDS[options.kind], class_weights(options.class_weights, class_counts)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        losses = of_images(logits.log_softmax(1), targets, weights, options)
        return losses.sum() / (targets @ weights).sum().clamp_min(torch.finfo(weights.dtype).tiny)

    return loss


def class_weights(kind: str, class_counts: Tensor) -> Tensor:
    """Return class weights float32 [K]: 1, N / (K n_c) or 1 - n_c / N; the latter two are 0 for an empty class.

    Raises ValueError where fewer than two classes have images: `complement` would leave nothing to learn from.
    """
    if kind not in WEIGHTS:
        raise UnknownName("class weighting", kind, WEIGHTS)
    if kind != "none" and (class_counts > 0).sum() < 2:
        raise ValueError(f"class_weights={kind!r} needs images of two classes; the counts are {class_counts.tolist()}")
    return WEIGHTS[kind](class_counts.float())


def _balanced(counts: Tensor) -> Tensor:
    return torch.where(counts > 0, counts.sum() / (len(counts) * counts.clamp_min(1)), 0.0)


def _complement(counts: Tensor) -> Tensor:
    return torch.where(counts > 0, 1 - counts / counts.sum(), 0.0)


WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.ones_like,
    "balanced": _balanced,
    "complement": _complement,
}


def _shares(targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    """Return smoothed targets times class weights, [B,K]."""
    return torch.lerp(targets, torch.full_like(targets, 1 / targets.shape[1]), options.label_smoothing) * weights


def _cross_entropy(log_p: Tensor, targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    return -(_shares(targets, weights, options) * log_p).sum(1)


def _poly(log_p: Tensor, targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    """Compute PolyLoss-1 (arXiv:2204.12511): cross-entropy with the first term of its expansion in 1 - p reweighted."""
    return (_shares(targets, weights, options) * (options.epsilon * (1 - log_p.exp()) - log_p)).sum(1)


def _focal(log_p: Tensor, targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    """Compute the focal loss (arXiv:1708.02002)."""
    doubt = (-torch.expm1(log_p)).clamp_min(1e-12)  # the slope of 0 ** gamma is infinite where gamma < 1
    return -(_shares(targets, weights, options) * doubt**options.gamma * log_p).sum(1)


def _symmetric(log_p: Tensor, targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    """Compute symmetric cross-entropy (arXiv:1908.06112) with log targets of at least -4; its code has log(1e-4)."""
    smoothed = _shares(targets, torch.ones_like(weights), options)
    reversed_term = -(log_p.exp() * smoothed.log().clamp_min(LOG_OF_ZERO)).sum(1)
    usual_term = _cross_entropy(log_p, targets, weights, options)
    return options.alpha * usual_term + options.beta * (targets @ weights) * reversed_term


def _generalised(log_p: Tensor, targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    """Compute (1 - p^q) / q, which tends to cross-entropy as q tends to 0 (arXiv:1805.07836)."""
    if options.q == 0:
        return _cross_entropy(log_p, targets, weights, options)
    return -(_shares(targets, weights, options) * torch.expm1(options.q * log_p)).sum(1) / options.q


def _multi_target(log_p: Tensor, targets: Tensor, weights: Tensor, options: Loss) -> Tensor:
    """Compute cross-entropy with the likeliest of the right labels (arXiv:1608.01041), without smoothing.

    Right are labels with 30 % of the votes, and the one with most.
    """
    counts = targets >= targets.amax(1, keepdim=True).clamp_max(VOTED)
    return -(targets @ weights) * log_p.masked_fill(~counts, -torch.inf).amax(1)


KINDS: dict[str, Callable[[Tensor, Tensor, Tensor, Loss], Tensor]] = {
    "cross_entropy": _cross_entropy,
    "poly": _poly,
    "focal": _focal,
    "symmetric": _symmetric,
    "generalised": _generalised,
    "multi_target": _multi_target,
}
"""Functions of log-probabilities [B,K], targets [B,K], class weights [K] and options, to the losses of images, [B]."""


def affect_loss(predicted: Tensor, wanted: Tensor, options: Loss) -> Tensor:
    """Return the weighted sum of the losses of valence and arousal, for predictions and ratings [B,2] in [-1,1].

    Rows of `wanted` with a NaN or a -2 are not rated and do not count; without any rated row the loss is 0, with a
    gradient of 0. `ccc` is 1 minus the concordance over the batch (arXiv:2202.10659), `mse` the mean square error.
    """
    if options.affect not in AFFECT:
        raise UnknownName("affect loss", options.affect, AFFECT)
    wanted, labelled, shares = _rated(wanted)
    valence, arousal = (AFFECT[options.affect](predicted[:, i], wanted[:, i], shares) for i in range(2))
    return (options.valence * valence + options.arousal * arousal) * labelled.any()


def rated_concordance(predicted: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the concordance of valence and that of arousal over the rated rows of two [N,2]."""
    wanted, _, shares = _rated(wanted)
    valence, arousal = (concordance(predicted[:, i], wanted[:, i], shares) for i in range(2))
    return valence, arousal


def _rated(wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ratings [B,2] with zeros for unrated rows, which rows are rated [B], and equal shares [B] of these."""
    labelled = (wanted > UNLABELLED).all(1)  # a comparison with NaN is false
    return wanted.where(labelled[:, None], 0.0), labelled, labelled / labelled.sum().clamp_min(1)


def concordance(x: Tensor, y: Tensor, shares: Tensor | None = None) -> Tensor:
    """Return the concordance correlation of two [B], a scalar in [-1,1]; 0 where both are constant.

    Variances are those of a population. `shares` [B], which sum to one, weigh the pairs; by default they are equal.
    """
    shares = torch.full_like(x, 1 / len(x)) if shares is None else shares
    mean_x, mean_y = shares @ x, shares @ y
    apart_x, apart_y = x - mean_x, y - mean_y
    spread = shares @ (apart_x**2 + apart_y**2) + (mean_x - mean_y) ** 2
    return 2 * (shares @ (apart_x * apart_y)) / (spread + 1e-8)


def _discordance(x: Tensor, y: Tensor, shares: Tensor) -> Tensor:
    return 1 - concordance(x, y, shares)


def _mean_square(x: Tensor, y: Tensor, shares: Tensor) -> Tensor:
    return shares @ (x - y) ** 2


AFFECT: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"ccc": _discordance, "mse": _mean_square}

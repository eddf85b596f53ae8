"""Loss terms of certain networks: pure functions of what these return in `Outputs.parts`.

All compute in float32, in whatever precision the network ran: they square, divide and take logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

SMALLEST_DIFFERENCE = 1e-6  # of two heads: where they coincide, a division by their difference stays finite


def affinity(features: Tensor, centres: Tensor, targets: Tensor) -> Tensor:
    """Return the squared distance of features [B,D] to their classes' centres [K,D], a mean (arXiv:2109.07270).

    `targets` [B,K] weigh the centres of each row. The distance is measured in units of the centres' own spread, the
    sum over D of their variances, so the loss cannot be lowered by shrinking all centres.
    """
    centres = centres.float()
    squared = (features.float()[:, None] - centres[None]).square().sum(dim=2)
    return (targets.float() * squared).sum(dim=1).mean() / centres.var(dim=0).sum()


def partition(heads: Tensor) -> Tensor:
    """Return log(1 + H / variance) of heads [B,H,D], H >= 2; the variance is across heads, a mean over B and D.

    It falls as the heads of an image attend to different things (arXiv:2109.07270).
    """
    variance = heads.float().var(dim=1).mean()
    return torch.log1p(heads.shape[1] / (variance + SMALLEST_DIFFERENCE))


def head_similarity(heads: Sequence[Tensor]) -> Tensor:
    """Return 1 / the mean squared difference of two heads, over all pairs; two or more tensors of one shape.

    The attention loss of DDAMFN (doi:10.3390/electronics12173595).
    """
    differences = [(first.float() - second.float()).square().mean() for first, second in combinations(heads, 2)]
    return 1 / (torch.stack(differences).mean() + SMALLEST_DIFFERENCE)

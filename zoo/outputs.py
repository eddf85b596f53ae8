"""What a network may return besides logits: a second classifier, regression heads, and input of its own loss term."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """Logits [B,K] with what only training or another task uses; a network that has logits alone returns a tensor.

    `auxiliary` logits [B,K] of a second classifier; `affect` valence and arousal [B,2] in [-1,1]; `parts` whatever the
    network's own method `regulariser(outputs, targets) -> Tensor` needs (targets [B,K], a distribution a row).
    """

    logits: Tensor
    auxiliary: Tensor | None = None
    affect: Tensor | None = None
    parts: tuple[Tensor, ...] = ()


def logits_of(result: Tensor | Outputs) -> Tensor:
    """Return the logits [B,K] of what a network returned."""
    return result.logits if isinstance(result, Outputs) else result

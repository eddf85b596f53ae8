"""Sharpness-aware minimisation: steps by the gradient at the worst weights nearby (arXiv:2010.01412)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class SharpnessAware:
    """Any optimizer with two passes for each step: backward, `first_step`, backward again, `second_step`.

    Its state dict is the optimizer's, since between steps there is nothing else to keep.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, radius: float) -> None:
        self.optimizer, self.radius = optimizer, radius
        self._left: list[tuple[nn.Parameter, Tensor]] = []

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    @torch.no_grad()
    def first_step(self) -> None:
        """Move the weights by `radius` along the gradient, whose norm is taken over all of them, and clear it."""
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        grads = [p.grad for p in moved]
        scale = self.radius / (torch.stack(torch._foreach_norm(grads)).norm() + 1e-12)
        self._left = [(parameter, parameter.clone()) for parameter in moved]
        torch._foreach_add_(moved, torch._foreach_mul(grads, scale))
        self.zero_grad()

    @torch.no_grad()
    def second_step(self) -> None:
        """Move the weights back to the bit, and let the optimizer step by the gradient of the second pass."""
        for parameter, before in self._left:
            parameter.copy_(before)
        self._left.clear()
        self.optimizer.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Keep batch norm's running statistics as they are inside the `with`; it still normalises by the batch.

    The second pass needs this, because its activations are those of the moved weights.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracked in zip(norms, before, strict=True):
            norm.track_running_stats = tracked

"""Regularisers that any network takes: dropout before its classifier, and a penalty on absolute weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.structure import classifier_modules


def drop_features(network: nn.Module, share: float) -> None:
    """Let the network drop a share of the features that enter its classifier while it is in training mode.

    It is a hook, not a layer: names of weights stay as they are, and the network in evaluation is the same.
    """

    def drop(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (F.dropout(given[0], share, module.training), *given[1:])

    for module in classifier_modules(network):
        module.register_forward_pre_hook(drop)


def add_l1_gradient(parameters: Iterable[Tensor], weight: float) -> None:
    """Add the gradient of `weight` times the sum of absolute weights, of kernels and matrices alone, to the gradients.

    Norms and biases are left out, as weight decay leaves them out.
    """
    kernels = [parameter for parameter in parameters if parameter.dim() > 1 and parameter.grad is not None]
    gradients: list[Tensor] = [kernel.grad for kernel in kernels]  # type: ignore[misc]
    signs = torch._foreach_sign([kernel.detach() for kernel in kernels])
    torch._foreach_add_(gradients, signs, alpha=weight)

"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zoo.recipes import Recipe


def build_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Weight decay reaches matrices and kernels only: biases and norm scales have one dimension.

    Raises ValueError for a name that neither torch's two nor pytorch-optimizer knows.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)
    from pytorch_optimizer import get_supported_optimizers, load_optimizer  # slow to import, rarely needed

    try:
        kind: Callable[..., torch.optim.Optimizer] = load_optimizer(recipe.optimizer)
    except (NotImplementedError, KeyError, ValueError) as error:
        from zoo.registry import UnknownName

        raise UnknownName("optimizer", recipe.optimizer, ["sgd", "adamw", *get_supported_optimizers()]) from error
    return kind(groups, lr=recipe.learning_rate)

"""Parameter groups for optimizers: learning rate and weight decay for each parameter of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo.recipes import Recipe, Transfer
from zoo.structure import classifier_names, layers


def learning_rate_scales(network: nn.Module, transfer: Transfer) -> dict[str, float]:
    """Return the share of the recipe's learning rate for each parameter, by name."""
    if transfer.backbone == transfer.layer_decay == 1:
        return {name: 1.0 for name, _ in network.named_parameters()}
    layer, classifier = layers(network), classifier_names(network)
    top = max(layer.values())
    return {
        name: 1.0 if name in classifier else transfer.backbone * transfer.layer_decay ** (top - layer[name])
        for name, _ in network.named_parameters()
    }


def parameter_groups(
    network: nn.Module, recipe: Recipe, flags: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return groups for an optimizer, each with `weight_decay` and `scale`, its share of the learning rate.

    Only matrices and kernels have weight decay, not biases and norm scales, which have one dimension. Parameters that
    need no gradient are left out. `flags` are further options by the name of a parameter.
    """
    scales = learning_rate_scales(network, recipe.transfer)
    groups: dict[Any, dict[str, Any]] = {}
    trained = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    for name, parameter in sorted(trained, key=lambda pair: pair[1].dim() <= 1):  # stable: kernels first
        options = {
            "weight_decay": recipe.weight_decay if parameter.dim() > 1 else 0.0,
            "scale": scales[name],
            "lr": recipe.learning_rate * scales[name],
            **(flags[name] if flags else {}),
        }
        groups.setdefault((parameter.dim() > 1, *options.items()), {"params": [], **options})["params"].append(
            parameter
        )
    return list(groups.values())

"""Which parameters of a network learn alike: its layers from the input on, its classifier, its hidden matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from zoo.recipes import Recipe, Transfer


def classifier_modules(network: nn.Module) -> tuple[nn.Module, ...]:
    """The modules that learn first and fastest: `network.get_classifier()`, as timm has it, or the last with weights.

    Raises ValueError where the network says that it has no classifier.
    """
    find: Any = getattr(network, "get_classifier", None)
    if find is None:
        return (_weighted(network)[-1],)
    found = find()
    modules = tuple(found) if isinstance(found, tuple | list) else (found,)
    if not any(True for module in modules for _ in module.parameters()):
        raise ValueError(f"get_classifier() of {type(network).__name__} gives no module with parameters")
    return modules


def classifier_names(network: nn.Module) -> set[str]:
    """Names of the parameters of the classifier's modules."""
    own = {id(parameter) for module in classifier_modules(network) for parameter in module.parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) in own}


def layers(network: nn.Module) -> dict[str, int]:
    """The layer of each parameter by name, 0 at the input, as `layer_decay` counts them.

    They are those of timm's `group_matcher` where the network has one (a block is a layer there); else each module with
    weights of its own is one, in the order of the modules, and norms belong to the weights before them.
    """
    matcher: Any = getattr(network, "group_matcher", None)
    if matcher:
        from timm.models import group_parameters

        return group_parameters(network, matcher(coarse=False), reverse=True)
    found, layer = {}, -1
    for prefix, module in network.named_modules():
        own = dict(module.named_parameters(prefix, recurse=False))
        layer += any(parameter.dim() > 1 for parameter in own.values())
        found.update(dict.fromkeys(own, max(layer, 0)))
    return found


def hidden_matrices(network: nn.Module) -> set[str]:
    """Names of the weights of dense layers and convolutions but the first one and the classifier."""
    names = [
        f"{prefix}.weight" if prefix else "weight"
        for prefix, module in network.named_modules()
        if isinstance(module, nn.Linear | _ConvNd)
    ]
    return set(names[1:]) - classifier_names(network)


def learning_rate_scales(network: nn.Module, transfer: Transfer) -> dict[str, float]:
    """The share of the recipe's learning rate that each parameter has, by name."""
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
    """Groups for an optimizer, each with `weight_decay` and `scale`, its share of the learning rate.

    Weight decay reaches matrices and kernels only: biases and norm scales have one dimension. Parameters that need no
    gradient are left out. `flags` are further options by the name of a parameter.
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


def _weighted(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if any(p.dim() > 1 for p in module.parameters(recurse=False))]

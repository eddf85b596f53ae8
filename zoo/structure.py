"""Finds the layer of a network that turns features into logits, and the features it is given."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from zoo.outputs import Outputs, logits_of


def classifier_of(network: nn.Module) -> nn.Linear:
    """The dense layer whose input is the penultimate features.

    timm networks name it, others as their attribute `classifier` or `head`; else it is the last dense layer. Raises
    ValueError where there is none.
    """
    named = getattr(network, "get_classifier", lambda: None)()
    attributes = (getattr(network, name, None) for name in ("classifier", "head"))
    for module in (named, *attributes, *reversed(list(network.modules()))):
        if isinstance(module, nn.Linear):
            return module
    raise ValueError(f"{type(network).__name__} has no dense layer, and so no penultimate features")


def with_features(network: nn.Module, inputs: Tensor) -> tuple[Tensor | Outputs, Tensor]:
    """What the network returns for inputs [B,C,H,W], and the input [B,D] of its classifier.

    The hook lives for one pass: one that stayed would follow a deep copy of the network to the wrong place. Raises
    ValueError where no dense layer gives the network's logits.
    """
    calls: list[tuple[Tensor, Tensor]] = []
    with classifier_of(network).register_forward_hook(lambda _, given, output: calls.append((given[0], output))):
        result = network(inputs)
    if not calls or calls[-1][1].shape != logits_of(result).shape:
        raise ValueError(f"the last dense layer of {type(network).__name__} does not give its logits")
    return result, calls[-1][0]


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


def _weighted(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if any(p.dim() > 1 for p in module.parameters(recurse=False))]

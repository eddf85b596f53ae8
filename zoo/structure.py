"""Find the parts of any network: its classifier, the features that enter it, its layers from input to output."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from zoo.outputs import Outputs, logits_of


def classifier_of(network: nn.Module) -> nn.Linear:
    """Return the dense layer that turns the penultimate features into logits.

    timm networks name it by `get_classifier`, others by their attribute `classifier` or `head`; else it is the last
    dense layer. Raises ValueError where there is none.
    """
    named = getattr(network, "get_classifier", lambda: None)()
    attributes = (getattr(network, name, None) for name in ("classifier", "head"))
    for module in (named, *attributes, *reversed(list(network.modules()))):
        if isinstance(module, nn.Linear):
            return module
    raise ValueError(f"{type(network).__name__} has no dense layer, and so no penultimate features")


def with_features(network: nn.Module, inputs: Tensor) -> tuple[Tensor | Outputs, Tensor]:
    """Return what the network gives for inputs [B,C,H,W], and the features [B,D] that enter its classifier.

    The hook is removed after the pass: a deep copy of the network would take it along and write to this call's list.
    Raises ValueError where no dense layer gives the network's logits.
    """
    calls: list[tuple[Tensor, Tensor]] = []
    with classifier_of(network).register_forward_hook(lambda _, given, output: calls.append((given[0], output))):
        result = network(inputs)
    if not calls or calls[-1][1].shape != logits_of(result).shape:
        raise ValueError(f"the last dense layer of {type(network).__name__} does not give its logits")
    return result, calls[-1][0]


def classifier_modules(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the modules that learn first and fastest in fine-tuning.

    They are those of `network.get_classifier()`, as timm has it; else the last module with weights. ValueError where
    that method gives no module with parameters.
    """
    find: Any = getattr(network, "get_classifier", None)
    if find is None:
        return (_weighted(network)[-1],)
    classifier = find()
    modules = tuple(classifier) if isinstance(classifier, tuple | list) else (classifier,)
    if not any(True for module in modules for _ in module.parameters()):
        raise ValueError(f"get_classifier() of {type(network).__name__} gives no module with parameters")
    return modules


def classifier_names(network: nn.Module) -> set[str]:
    """Return the names of the parameters of the classifier's modules."""
    own = {id(parameter) for module in classifier_modules(network) for parameter in module.parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) in own}


def layers(network: nn.Module) -> dict[str, int]:
    """Return the layer number of each parameter by name, 0 at the input, as `layer_decay` counts them.

    The layers are those of timm's `group_matcher` where the network has one (a block is a layer there). Else each
    module with weights is a layer, in the order of the modules, and a norm belongs to the weights before it.
    """
    matcher: Any = getattr(network, "group_matcher", None)
    if matcher:
        from timm.models import group_parameters

        return group_parameters(network, matcher(coarse=False), reverse=True)
    numbers, layer = {}, -1
    for prefix, module in network.named_modules():
        own = dict(module.named_parameters(prefix, recurse=False))
        layer += any(parameter.dim() > 1 for parameter in own.values())
        numbers.update(dict.fromkeys(own, max(layer, 0)))
    return numbers


def hidden_matrices(network: nn.Module) -> set[str]:
    """Return the names of the weights of dense layers and convolutions, without the first layer and the classifier."""
    names = [
        f"{prefix}.weight" if prefix else "weight"
        for prefix, module in network.named_modules()
        if isinstance(module, nn.Linear | _ConvNd)
    ]
    return set(names[1:]) - classifier_names(network)


def _weighted(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if any(p.dim() > 1 for p in module.parameters(recurse=False))]

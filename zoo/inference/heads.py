"""Finds the layer of a network that turns features into logits, and the features it is given."""

from __future__ import annotations

from torch import Tensor, nn

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

"""Finds the layer of a network that turns features into logits."""

from __future__ import annotations

from torch import nn


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

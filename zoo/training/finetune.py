"""Fine-tune trained weights in two phases: first the classifier alone, then all layers."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from zoo.recipes import Transfer
from zoo.structure import classifier_modules, classifier_names, layers


def set_phase(network: nn.Module, transfer: Transfer, epoch: int) -> None:
    """Put what learns in this epoch (counted from 0) into training mode; freeze the rest, in evaluation mode.

    In the first `head_epochs` only the classifier learns; with `unfreeze_epochs`, of the other layers one more after
    so many epochs each. Raises ValueError where a network's `get_classifier` gives no module with parameters.
    """
    network.train()
    if not (transfer.head_epochs or transfer.freeze_norm or transfer.unfreeze_epochs):
        return
    head_only = epoch < transfer.head_epochs
    network.requires_grad_(not head_only)
    if head_only:
        network.eval()
        for module in classifier_modules(network):
            module.train().requires_grad_(True)
    elif transfer.unfreeze_epochs:
        _freeze_below(network, (epoch - transfer.head_epochs) // transfer.unfreeze_epochs)
    if transfer.freeze_norm:
        for module in network.modules():
            if isinstance(module, _NormBase):
                module.eval()


def _freeze_below(network: nn.Module, joined: int) -> None:
    """Freeze all layers but the classifier, the one below it, and so many more that have joined since."""
    numbers, head = layers(network), classifier_names(network)
    below = sorted({number for name, number in numbers.items() if name not in head}, reverse=True)
    learning = set(below[: joined + 1])
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in head or numbers[name] in learning)
    for module in network.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()

"""Fine-tune trained weights in two phases: first the classifier alone, then all layers."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from zoo.recipes import Transfer
from zoo.structure import classifier_modules


def set_phase(network: nn.Module, transfer: Transfer, epoch: int) -> None:
    """Put what learns in this epoch (counted from 0) into training mode; freeze the rest, in evaluation mode.

    In the first `head_epochs` only the classifier learns. Raises ValueError where a network's `get_classifier` gives
    no module with parameters.
    """
    network.train()
    if not (transfer.head_epochs or transfer.freeze_norm):
        return
    head_only = epoch < transfer.head_epochs
    network.requires_grad_(not head_only)
    if head_only:
        network.eval()
        for module in classifier_modules(network):
            module.train().requires_grad_(True)
    if transfer.freeze_norm:
        for module in network.modules():
            if isinstance(module, _NormBase):
                module.eval()

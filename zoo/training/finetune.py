"""Two phases of learning from trained weights: what learns in an epoch, and which statistics move."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from zoo.recipes import Transfer
from zoo.structure import classifier_modules


def set_phase(network: nn.Module, transfer: Transfer, epoch: int) -> None:
    """Train mode for what learns in this epoch (counted from 0); the rest is frozen and in evaluation mode.

    In the first `head_epochs` only the classifier learns. Raises ValueError where a network says that it has none.
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

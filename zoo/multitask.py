"""Expression, valence and arousal from one network: any network with a second head beside its classifier."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.outputs import Outputs, logits_of
from zoo.structure import classifier_modules, classifier_of, layers, with_features

NEEDED = "valence and arousal are read from the features that enter a dense classifier"


class MultiTask(nn.Module):
    """A network whose classifier's input also feeds a dense layer for valence and arousal, in [-1,1] by tanh.

    It takes what the network takes and returns the network's Outputs with `affect` [B,2]. Raises ValueError where no
    dense layer gives the network's logits: on building where it has no dense layer, else in its first pass.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.affect = nn.Linear(_classifier(network).in_features, 2)

    def forward(self, images: Tensor) -> Outputs:
        try:
            result, features = with_features(self.network, images)
        except ValueError as error:
            raise ValueError(f"{NEEDED}: {error}") from error
        outputs = result if isinstance(result, Outputs) else Outputs(logits_of(result))
        return outputs._replace(affect=torch.tanh(self.affect(features)))

    def regulariser(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return the network's own term of the loss."""
        own: Callable[[Outputs, Tensor], Tensor] = self.network.regulariser  # type: ignore[assignment]
        return own(outputs, targets)

    @property
    def classifier(self) -> nn.Linear:
        """The dense layer that makes the logits."""
        return classifier_of(self.network)

    def get_classifier(self) -> tuple[nn.Module, ...]:
        """Return both heads: in fine-tuning they learn first and fastest."""
        return (*classifier_modules(self.network), self.affect)

    def group_matcher(self, coarse: bool = False) -> Callable[[str], int]:
        """Return a function from a parameter's name to its layer; the affect head is in the network's last."""
        inner = layers(self.network)
        top = max(inner.values())
        return lambda name: inner.get(name.removeprefix("network."), top) if name.startswith("network.") else top


def _classifier(network: nn.Module) -> nn.Linear:
    try:
        return classifier_of(network)
    except ValueError as error:
        raise ValueError(f"{NEEDED}, and this network has none") from error


def backbone(network: nn.Module) -> nn.Module:
    """Return the network without the second head."""
    return network.network if isinstance(network, MultiTask) else network

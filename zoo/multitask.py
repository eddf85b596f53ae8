"""Expression, valence and arousal from one network: a second head on the features of any network's classifier."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.outputs import Outputs, logits_of
from zoo.structure import classifier_modules, classifier_of, layers, with_features


class MultiTask(nn.Module):
    """A network and a dense layer that makes valence and arousal, by tanh in [-1,1], of what its classifier sees.

    Takes what the network takes and returns its Outputs with `affect` [B,2]; the backbone is shared. Raises ValueError
    where no dense layer gives the network's logits: on building where it has none, else in its first pass.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.affect = nn.Linear(classifier_of(network).in_features, 2)

    def forward(self, images: Tensor) -> Outputs:
        result, features = with_features(self.network, images)
        outputs = result if isinstance(result, Outputs) else Outputs(logits_of(result))
        return outputs._replace(affect=torch.tanh(self.affect(features)))

    def regulariser(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """The network's own term of the loss."""
        own: Callable[[Outputs, Tensor], Tensor] = self.network.regulariser  # type: ignore[assignment]
        return own(outputs, targets)

    @property
    def classifier(self) -> nn.Linear:
        """The dense layer that makes the logits."""
        return classifier_of(self.network)

    def get_classifier(self) -> tuple[nn.Module, ...]:
        """What learns first and fastest: both heads."""
        return (*classifier_modules(self.network), self.affect)

    def group_matcher(self, coarse: bool = False) -> Callable[[str], int]:
        """The layer of each parameter: that of the network's own, the affect head beside its last."""
        inner = layers(self.network)
        top = max(inner.values())
        return lambda name: inner.get(name.removeprefix("network."), top) if name.startswith("network.") else top


def backbone(network: nn.Module) -> nn.Module:
    """The network without the second head."""
    return network.network if isinstance(network, MultiTask) else network

"""Averages of the weights along the way: what is evaluated and kept instead of the network that takes the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from zoo.errors import UnknownName
from zoo.recipes import Recipe


class Average(Protocol):
    """A network whose weights follow those in training; its state dict holds tensors alone."""

    @property
    def module(self) -> nn.Module:
        """The network to evaluate."""

    @property
    def stale_norm(self) -> bool:
        """Whether the batch norm statistics are not those of the averaged weights: `reestimate_norm` comes first."""

    def update(self, network: nn.Module, step: int) -> None:
        """To be called after each step; `step` counts from 0 over all epochs together."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Exponential:
    """Exponential moving average of parameters and buffers, whose decay rises to `ema_decay` in the first steps."""

    stale_norm = False

    def __init__(self, recipe: Recipe, network: nn.Module, steps: int) -> None:
        self._ema = ModelEmaV3(network, decay=recipe.ema_decay, use_warmup=True, warmup_power=0.8)
        self.module: nn.Module = self._ema.module

    def update(self, network: nn.Module, step: int) -> None:
        self._ema.update(network, step=step)

    def state_dict(self) -> dict[str, Any]:
        return self.module.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.module.load_state_dict(state)


class Stochastic:
    """Stochastic weight averaging: equal mean of the weights at the ends of the last epochs (arXiv:1803.05407).

    Until `swa_start` of the epochs are complete it is the network as each epoch left it.
    """

    def __init__(self, recipe: Recipe, network: nn.Module, steps: int) -> None:
        self._averaged = AveragedModel(network)
        self._steps = steps
        self._first = min(int(recipe.swa_start * recipe.epochs), recipe.epochs - 1)
        self.module: nn.Module = self._averaged.module.eval()

    @property
    def stale_norm(self) -> bool:
        return int(self._averaged.n_averaged) > 1

    def update(self, network: nn.Module, step: int) -> None:
        epoch, last = divmod(step + 1, self._steps)
        if last:
            return
        if epoch - 1 <= self._first:
            self._averaged.n_averaged.zero_()  # the next update copies
        self._averaged.update_parameters(network)

    def state_dict(self) -> dict[str, Any]:
        return self._averaged.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._averaged.load_state_dict(state)


class Latest:
    """No average: the network itself, in whichever mode training or evaluation left it."""

    stale_norm = False

    def __init__(self, recipe: Recipe, network: nn.Module, steps: int) -> None:
        self.module = network

    def update(self, network: nn.Module, step: int) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


KINDS: dict[str, Callable[[Recipe, nn.Module, int], Average]] = {
    "ema": Exponential,
    "swa": Stochastic,
    "snapshots": Latest,
    "none": Latest,
}


def build_average(recipe: Recipe, network: nn.Module, steps: int) -> Average:
    """The recipe's average, which starts at the network's weights; `steps` are those of an epoch."""
    if recipe.average not in KINDS:
        raise UnknownName("average", recipe.average, KINDS)
    return KINDS[recipe.average](recipe, network, steps)


@torch.no_grad()
def reestimate_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Batch norm statistics of the network's present weights: the mean over batches [B,C,H,W] of training images.

    Each batch counts once, so they should be of one size. Dropout is active, as in training.
    """
    update_bn(batches, network)

"""Average the weights along a training: the average is evaluated and kept, instead of the network that is trained."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from zoo.errors import UnknownName
from zoo.recipes import Recipe


class Average(Protocol):
    """A network whose weights follow those in training; its state dict holds only tensors."""

    @property
    def module(self) -> nn.Module:
        """The network to evaluate."""

    @property
    def stale_norm(self) -> bool:
        """Whether batch norm has the statistics of other weights, so that `reestimate_norm` must come first."""

    def update(self, network: nn.Module, step: int) -> None:
        """Follow the network after a step; `step` counts from 0 over all epochs together."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Exponential:
    """Exponential moving average of parameters and buffers, whose decay rises to `ema_decay` in the first steps.

    It is that of timm's ModelEmaV3, whose import takes half as long as torch's: most networks here do without timm.
    """

    stale_norm = False

    def __init__(self, recipe: Recipe, network: nn.Module, steps: int) -> None:
        self._decay = recipe.ema_decay
        self.module: nn.Module = copy.deepcopy(network).eval()

    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self._decay, 1 - max(step, 1) ** -0.8)
        pairs = list(zip(self.module.state_dict().values(), network.state_dict().values(), strict=True))
        averaged = [(mine, theirs) for mine, theirs in pairs if mine.is_floating_point()]
        get_ema_multi_avg_fn(decay)(*map(list, zip(*averaged, strict=True)), None)
        for mine, theirs in pairs:
            if not mine.is_floating_point():
                mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        return self.module.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.module.load_state_dict(state)


class Stochastic:
    """Stochastic weight averaging (arXiv:1803.05407): the mean of the weights at the ends of the last epochs.

    Until the share `swa_start` of the epochs is complete, it is the network as the last epoch left it.
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
            self._averaged.n_averaged.zero_()  # makes the next update a copy
        self._averaged.update_parameters(network)

    def state_dict(self) -> dict[str, Any]:
        return self._averaged.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._averaged.load_state_dict(state)


class Latest:
    """No average: the network itself, in the mode that training or evaluation left it in."""

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
    """Return the recipe's average, which starts at the network's weights; an epoch has `steps` steps.

    Raises UnknownName where there is no such average.
    """
    if recipe.average not in KINDS:
        raise UnknownName("average", recipe.average, KINDS)
    return KINDS[recipe.average](recipe, network, steps)


@torch.no_grad()
def reestimate_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure batch norm statistics for the network's present weights, on batches [B,C,H,W] of training images.

    The statistics are the mean over the batches, so these should have one size. Dropout is active, as in training.
    """
    update_bn(batches, network)

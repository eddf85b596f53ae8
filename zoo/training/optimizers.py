"""Build the optimizer that a recipe names: torch's, or one of pytorch-optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from zoo.cpu import supports_bf16
from zoo.errors import UnknownName
from zoo.recipes import Recipe
from zoo.structure import hidden_matrices
from zoo.training.param_groups import parameter_groups
from zoo.training.sam import SharpnessAware

Builder = Callable[..., torch.optim.Optimizer]

OPTIONS: dict[str, Callable[[Recipe], dict[str, Any]]] = {
    "sgd": lambda recipe: {"momentum": recipe.momentum, "nesterov": recipe.momentum > 0},
}
"""Fields of a recipe that only one optimizer takes."""

FUSED = {"adam", "adamw", "sgd"}
"""Optimizers whose step torch has as one kernel; it is used on a GPU. A CPU would gain 1 to 2 % of a step of vgg_fer
(2 ms of SGD, 4 of AdamW), and AdamW's last bits would differ from those of stored results."""

ORTHOGONAL = {"muon", "normuon", "adago"}
"""They orthogonalise the updates of hidden layers and treat all other weights as AdamW does."""

_CALLS_BACK = "it evaluates the loss itself, within its step"
_CURVATURE = "it needs second derivatives"
_IN_PLACE = "it steps within the backward pass"
_STRIDES = "it cannot read gradients of kernels in channels-last memory"
_STATE = "its state is more than tensors and numbers, so a checkpoint could not be loaded safely"
_TWO_WEIGHTS = "the weights it trains are not those it evaluates; average='ema' or 'swa' does what it is for"

UNSUITED = {
    **dict.fromkeys(["alig", "bsam", "lbfgs"], _CALLS_BACK),
    **dict.fromkeys(["adahessian", "sophiah"], _CURVATURE),
    **dict.fromkeys(["adalomo", "lomo"], _IN_PLACE),
    **dict.fromkeys(["adamp", "adamuon", "nero", "sgdp", "swats"], _STRIDES),
    **dict.fromkeys(["adashift", "conda", "scalableshampoo", "scion", "scionlight"], _STATE),
    **dict.fromkeys(["schedulefreeadamw", "schedulefreeradam", "schedulefreesgd"], _TWO_WEIGHTS),
    **dict.fromkeys(["demo", "distributedmuon"], "it is for several processes"),
    "lorarite": "it is for pairs of low-rank matrices",
    "muonclip": "it bounds attention scores, which networks do not hand out",
    "spectralsphere": "it takes matrices alone",
    "adammini": "it chooses its parameter groups itself",
    "magma": "it wraps another optimizer",
    "ranger21": "it has a learning rate schedule of its own; 'ranger' has none",
    "sparseadam": "it takes sparse gradients alone",
}
"""Why optimizers that torch or pytorch-optimizer know are refused."""


def build_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer | SharpnessAware:
    """Build the recipe's optimizer for the network's parameters, with parameter groups and wrappers.

    Each group's `scale` is its share of the learning rate. With `sam` the result is a SharpnessAware, which takes two
    passes for each step. Raises UnknownName for a name that neither torch nor pytorch-optimizer knows, and ValueError
    for an optimizer that is refused (`UNSUITED`), or has no weight decay where the recipe asks for it.
    """
    name, kind = recipe.optimizer.lower(), optimizer_of(recipe)
    on_gpu = all(parameter.is_cuda for parameter in network.parameters())
    if name == "muon" and not (on_gpu or supports_bf16()):
        kind = _muon_in_float32(kind)
    options = OPTIONS[name](recipe) if name in OPTIONS else {}
    if name in FUSED and on_gpu:
        options = {**options, "fused": True}
    flags = _orthogonal(network) if name in ORTHOGONAL else None
    optimizer = kind(parameter_groups(network, recipe, flags), lr=recipe.learning_rate, **options)
    if recipe.lookahead:
        from pytorch_optimizer import Lookahead

        optimizer = Lookahead(optimizer)
    return SharpnessAware(optimizer, recipe.sam) if recipe.sam else optimizer


def optimizer_of(recipe: Recipe) -> Builder:
    """Return what builds the recipe's optimizer; raise UnknownName and ValueError as `build_optimizer` does."""
    name = recipe.optimizer.lower()
    if name in UNSUITED:
        raise ValueError(f"optimizer {name!r} cannot be used here: {UNSUITED[name]}")
    kind = _kind(name)
    if recipe.weight_decay and "weight_decay" not in inspect.signature(kind).parameters:
        raise ValueError(f"optimizer {name!r} has no weight decay: set the recipe's weight_decay to 0")
    return kind


def _kind(name: str) -> Builder:
    native = {
        key.lower(): kind
        for key, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
    }
    if name in native and name not in ORTHOGONAL:  # torch's Muon takes no convolutions
        return native[name]
    from pytorch_optimizer import get_supported_optimizers, load_optimizer  # slow to import, rarely needed

    try:
        kind: Builder = load_optimizer(name)
    except (NotImplementedError, KeyError, ValueError, ImportError) as error:
        raise UnknownName("optimizer", name, {*native, *get_supported_optimizers()} - UNSUITED.keys()) from error
    return kind


def _muon_in_float32(muon: Any) -> Builder:
    """Return Muon with its Newton-Schulz iteration in float32: a third of the time where a CPU emulates bfloat16."""
    from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5

    class Float32Muon(muon):
        @staticmethod
        def _orthogonalize(group: dict[str, Any], updates: list[torch.Tensor]) -> list[torch.Tensor]:
            options = {"num_steps": group["ns_steps"], "weights": group["ns_coeffs"], "dtype": torch.float32}
            return [zero_power_via_newton_schulz_5(update.reshape(len(update), -1), **options) for update in updates]

    return Float32Muon


def _orthogonal(network: nn.Module) -> dict[str, dict[str, Any]]:
    """Return Muon's flags for each parameter: hidden layers are orthogonalised, all others are left to AdamW.

    That is what Muon's authors do; convolution kernels are flattened. Updates are scaled to the size of AdamW's, so
    that one learning rate serves both (arXiv:2502.16982).
    """
    hidden = hidden_matrices(network)
    return {
        name: {"use_muon": True, "use_adjusted_lr": True} if name in hidden else {"use_muon": False}
        for name, _ in network.named_parameters()
    }

"""Fitted ensemblers as torch modules: the members' logits to log-probabilities, as `predict_proba` computes them.

A combination that is a few sums and products of the members' outputs can stand in an exported file. Trees, neighbours
and votes cannot, or not well; `refuse` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import ensembles
from ensembles.base import Ensembler, LinearPool
from ensembles.common_scale import OnCommonScale
from ensembles.least_squares import Classwise
from ensembles.log_weighting import LogPoolWeighted
from ensembles.pooling import LinearPoolCalibrated, LogPool, LogPoolCalibrated
from ensembles.stacking import StackLogistic
from ensembles.stacking_mlp import StackMLP

SMALLEST = 1e-12  # of a probability, before its logarithm is taken


class NotExportable(ValueError):
    """This ensembler cannot stand in a file; the message says which can."""


class Single(nn.Module):
    """The one member that there is: logits [1,N,C] to log-probabilities [N,C]."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits[0].log_softmax(1)


class Calibrated(nn.Module):
    """Members on their common scale: logits [M,N,C] to log-probabilities [M,N,C] (ensembles/common_scale.py)."""

    temperatures: Tensor
    reach: Tensor

    def __init__(self, fitted: OnCommonScale, used: list[int] | None = None) -> None:
        super().__init__()
        kept = slice(None) if used is None else used
        self.register_buffer("temperatures", _float(fitted.temperatures_)[kept, None, None])
        self.register_buffer("reach", _float(fitted.reach_)[kept, None, None])

    def forward(self, logits: Tensor) -> Tensor:
        below = (logits.amax(2, keepdim=True) - logits).minimum(self.reach)
        return (-below / self.temperatures).log_softmax(2)


class Mixture(nn.Module):
    """A weighted mean of probabilities: logits [M,N,C], `weights` [M] or [M,C]."""

    weights: Tensor

    def __init__(self, weights: Any) -> None:
        super().__init__()
        given = _float(weights)
        self.register_buffer("weights", given[:, None] if given.dim() == 1 else given)

    def forward(self, logits: Tensor) -> Tensor:
        mixed = (logits.softmax(2) * self.weights[:, None]).sum(0)
        return (mixed / mixed.sum(1, keepdim=True)).clamp_min(SMALLEST).log()


class GeometricMean(nn.Module):
    """The normalised geometric mean of probabilities."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits.log_softmax(2).mean(0).log_softmax(1)


class Product(nn.Module):
    """A weighted geometric mean of probabilities: log-probabilities [M,N,C], `exponents` [M]."""

    exponents: Tensor

    def __init__(self, exponents: Any) -> None:
        super().__init__()
        self.register_buffer("exponents", _float(exponents)[:, None, None])

    def forward(self, log_probabilities: Tensor) -> Tensor:
        return (log_probabilities * self.exponents).sum(0).log_softmax(1)


class Stacked(nn.Module):
    """A pool of the members, corrected by a dense layer on their outputs (StackLogistic)."""

    coefficients: Tensor
    intercept: Tensor

    def __init__(self, fitted: StackLogistic, members: int) -> None:
        super().__init__()
        coefficients = _float(fitted.coef_)  # [members * classes + 1, classes]
        self.calibrated = Calibrated(fitted)
        spreads = _of_outputs(fitted.spreads_, len(coefficients) - 1)
        self.register_buffer("coefficients", coefficients[:-1] / (spreads * members**0.5))
        self.register_buffer("intercept", coefficients[-1])
        self._inverse_temperature = fitted.inverse_temperature_
        self._inputs = fitted.inputs

    def forward(self, logits: Tensor) -> Tensor:
        scaled = self.calibrated(logits)
        offset = self._inverse_temperature * scaled.mean(0)
        return (offset + _outputs(scaled, self._inputs) @ self.coefficients + self.intercept).log_softmax(1)


class StackedNetworks(nn.Module):
    """A pool of the members, corrected by networks with one hidden layer (StackMLP); the mean of these."""

    mean: Tensor
    axes: Tensor
    inner: Tensor
    outer: Tensor

    def __init__(self, fitted: StackMLP) -> None:
        super().__init__()
        self.calibrated = Calibrated(fitted)
        spreads = _of_outputs(fitted.spreads_, len(fitted.mean_))
        self.register_buffer("mean", (_float(fitted.mean_) * spreads)[:, 0])
        self.register_buffer("axes", _float(fitted.axes_).T / spreads)
        self.register_buffer("inner", _float(fitted.inner_).transpose(1, 2).contiguous())  # the last row is a constant
        self.register_buffer("outer", _float(fitted.outer_).transpose(1, 2).contiguous())
        self._inverse_temperature = fitted.inverse_temperature_
        self._inputs = fitted.inputs

    def forward(self, logits: Tensor) -> Tensor:
        scaled = self.calibrated(logits)
        offset = self._inverse_temperature * scaled.mean(0)
        components = (_outputs(scaled, self._inputs) - self.mean) @ self.axes
        hidden = (components @ self.inner[:, :-1] + self.inner[:, -1:]).tanh()
        scores = hidden @ self.outer[:, :-1] + self.outer[:, -1:]
        return (offset + scores).softmax(2).mean(0).clamp_min(SMALLEST).log()


def combination(fitted: Ensembler, used: list[int]) -> nn.Module:
    """Return the module of a fitted ensembler, for the logits [M,N,C] of its members `used` alone, in that order.

    Raises NotExportable where there is none.
    """
    for kind, build in FORMS.items():
        if isinstance(fitted, kind):
            return build(fitted, used)
    raise NotExportable(refusal(fitted.name))


def check_exportable(name: str) -> None:
    """Raise NotExportable, in a sentence that lists what can be exported, for an ensembler that cannot."""
    if name not in exportable():
        raise NotExportable(refusal(name))


def exportable() -> list[str]:
    """List the names of the ensemblers that can be exported, simplest first."""
    return [name for name in ensembles.names() if issubclass(ensembles.get(name), tuple(FORMS))]


def refusal(name: str) -> str:
    """Say that an ensembler cannot be exported, and which can."""
    title = ensembles.get(name).title
    return f"{title} ({name}) has no form that an exported file can hold; exportable: {', '.join(exportable())}"


def _float(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).float()  # a copy: arrays that are read may not be writable


def _of_outputs(spreads: Any, outputs: int) -> Tensor:
    """Return for each of a row's outputs, [M * C, 1], the spread of its member."""
    return _float(spreads).flatten().repeat_interleave(outputs // len(spreads))[:, None]


def _outputs(scaled: Tensor, kind: str) -> Tensor:
    """Outputs of all members as rows [N, M * C]: log-probabilities or probabilities."""
    outputs = scaled.exp() if kind == "probabilities" else scaled
    return outputs.permute(1, 0, 2).flatten(1)


def _linear(fitted: Any, used: list[int]) -> nn.Module:
    return Mixture(fitted.weights_[used])


FORMS: dict[type[Any], Callable[[Any, list[int]], nn.Module]] = {
    LinearPool: _linear,
    Classwise: _linear,
    LogPool: lambda fitted, used: GeometricMean(),
    LogPoolCalibrated: lambda fitted, used: nn.Sequential(Calibrated(fitted), GeometricMean()),
    LogPoolWeighted: lambda fitted, used: nn.Sequential(Calibrated(fitted, used), Product(fitted.exponents_[used])),
    LinearPoolCalibrated: lambda fitted, used: nn.Sequential(Calibrated(fitted), Mixture([1.0] * len(used))),
    StackLogistic: lambda fitted, used: Stacked(fitted, len(used)),
    StackMLP: lambda fitted, used: StackedNetworks(fitted),
}
"""What an ensembler of each kind becomes; a new kind that is sums and products is one entry."""

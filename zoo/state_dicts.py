"""The weights of a member that has several networks, such as snapshots or folds, in one dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

Weights = Mapping[str, Tensor]


def join(parts: Sequence[Weights]) -> dict[str, Tensor]:
    """Put several state dicts into one, to be stored together: `part.0.conv.weight`, and so on."""
    return {f"part.{number}.{key}": value for number, weights in enumerate(parts) for key, value in weights.items()}


def split(weights: Weights) -> list[dict[str, Tensor]]:
    """Undo `join`, also where it was nested; the weights of one network alone become a list of one."""
    if not all(key.startswith("part.") for key in weights):
        return [dict(weights)]
    parts: dict[int, dict[str, Tensor]] = {}
    for key, value in weights.items():
        _, number, name = key.split(".", 2)
        parts.setdefault(int(number), {})[name] = value
    return [network for number in sorted(parts) for network in split(parts[number])]

"""Weights for others: a safetensors file small enough for a repository, which `zoo.create_model` loads by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.publish.trained import TrainedMember
from zoo.pretrained.released import FORMAT, SCALE
from zoo.registry import trained_as
from zoo.sealed import seal

if TYPE_CHECKING:
    from torch import Tensor


def save_weights(
    path: Path, one: TrainedMember, suite: str, classes: tuple[str, ...], channels: int, limit: int | None = None
) -> None:
    """Write a member's weights with what they are of.

    They are float16, unless they then have more than `limit` bytes: tensors of two axes and more are int8 then, with a
    scale for each output channel, as in the exported file.
    """
    from safetensors.torch import save

    about = {
        "format": FORMAT,
        "member": trained_as(one.member).name,
        "suite": suite,
        "classes": json.dumps(classes),
        "channels": str(channels),
        "hash": one.configuration.hash,
        "weights_sha256": one.digest,
    }
    tensors = {name: value.half() if value.is_floating_point() else value for name, value in one.weights.items()}
    if limit is not None and sum(value.nbytes for value in tensors.values()) > limit:
        tensors = in_int8(one.weights)
    path.write_bytes(seal(save({name: value.contiguous() for name, value in tensors.items()}, about)))


def in_int8(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with those of two axes and more as int8, each beside its scales; others as float16."""
    stored: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not value.is_floating_point():
            stored[name] = value
        elif value.dim() < 2:
            stored[name] = value.half()
        else:
            values = value.float()
            scale = values.abs().amax(dim=tuple(range(1, values.dim())), keepdim=True).clamp_min(1e-30) / 127
            stored[name] = (values / scale).round().char()
            stored[name + SCALE] = scale
    return stored

"""Trained weights beside the predictions: where they lie, how they are read, and who shares those of another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.files import write_atomic
from benchmarks.store.container import read_header
from benchmarks.store.identity import Configuration, Transferred, identity_from
from benchmarks.store.predictions import PredictionStore
from zoo import registry
from zoo.member import Member

LEAST, MOST = 2.0**-14, 65504.0
"""Between these, float16 has its full precision."""


def weights_path(checkpoints: Path, configuration: Configuration) -> Path:
    """Return where the trained weights of a member lie: those of another member, where it is that with other views."""
    trained = replace(configuration, member=registry.trained_as(configuration.member))
    return checkpoints / f"{trained.stem}.weights.safetensors"


def trained_members(folder: Path) -> list[Configuration]:
    """List what has both predictions and trained weights in a suite's folder of results, by members of the zoo."""
    store, trained = PredictionStore(folder / "predictions"), []
    for path in store.prediction_files():
        identity = identity_from(read_header(path)["configuration"])
        if not isinstance(identity, Configuration) or isinstance(identity, Transferred):
            continue
        if registry.is_known(identity.name):
            identity = replace(identity, member=_buildable(identity.member))
            if weights_path(folder / "checkpoints", identity).exists():
                trained.append(identity)
    return trained


def _buildable(member: Member) -> Member:
    """Return the member as it was trained, with the builder that the registry knows."""
    known = registry.get(member.name)
    return replace(known, recipe=member.recipe, image_size=member.image_size, init=member.init, weights=member.weights)


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, float]]]:
    """Read weights by name, provenance and training history; raise SafetensorError where the file is damaged."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the handle is no mapping
    return weights, json.loads(header["provenance"]), json.loads(header["history"])


def write_weights(
    path: Path, weights: Mapping[str, Any], provenance: dict[str, Any], history: list[dict[str, float]]
) -> None:
    """Write tensors by name in half precision, provenance and training history, atomically.

    What reads them computes in float32. Half of the bytes cost nothing measurable: predictions are made with the
    weights as they are kept, so that they are those of whatever is exported later.
    """
    from safetensors.torch import save

    header = {"provenance": json.dumps(provenance), "history": json.dumps(history)}
    tensors = {name: _half(value.contiguous()) for name, value in weights.items()}  # channels-last kernels are not
    write_atomic(path, save(tensors, header))


def _half(tensor: Any) -> Any:
    """Return a tensor of floats as float16, unless its largest value has no full precision there."""
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    fits = largest == 0 or LEAST <= largest <= MOST
    return tensor.half() if tensor.is_floating_point() and fits else tensor


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of the trained weights themselves; what the file's header says of them does not count."""
    content = path.read_bytes()
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()


def shared_weights(name: str, seed: int | None) -> str:
    """Name whose weights a member uses, in one suite's results."""
    return f"{name}.s{seed}"

"""Save and load the state of a training; a process that is killed leaves either the old state or the new one."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor


class Stateful(Protocol):
    """A network, an optimizer or an average of weights."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


@dataclass
class State:
    """All that changes during training, besides what the network, its average and the optimizer hold."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_key: tuple[float, float] = (-1.0, 0.0)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    snapshots: list[dict[str, Tensor]] = field(default_factory=list)

    @property
    def accuracies(self) -> list[float]:
        """Val accuracy of each complete epoch."""
        return [row["val_accuracy"] for row in self.history]


def save(path: Path, state: State, parts: Mapping[str, Stateful]) -> None:
    """Write the state, and that of the parts, to a file beside `path`, then rename it to `path`; raise OSError."""
    content = io.BytesIO()  # torch says nothing of the reason where a file of its own cannot be written
    torch.save({"state": vars(state), **{name: part.state_dict() for name, part in parts.items()}}, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        partial.write_bytes(content.getbuffer())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, parts: Mapping[str, Stateful], device: str) -> State | None:
    """Restore the parts and return the state; a file that cannot be used is renamed, and None is returned.

    Some parts may then be loaded and others not: build them again.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(content[name])
        return State(**content["state"])
    except Exception:  # a cut-off zip, a foreign file, another network: torch raises many kinds
        os.replace(path, path.with_suffix(".unreadable"))
        return None

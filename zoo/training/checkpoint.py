"""Save and load the state of a training; a process that is killed leaves either the old state or the new one."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from zoo.sealed import publish
from zoo.training.segments import Segment

DIGEST = b"sha256:"
COMMENT_LENGTH = struct.Struct("<H")  # the last field of a zip archive that has no comment


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
    segments: list[Segment] = field(default_factory=list)
    world: int = 1  # processes that train it together

    @property
    def accuracies(self) -> list[float]:
        """Val accuracy of each complete epoch."""
        return [row["val_accuracy"] for row in self.history]


def save(path: Path, state: State, parts: Mapping[str, Stateful]) -> None:
    """Write the state, and that of the parts, to a file beside `path`, then rename it to `path`; raise OSError."""
    publish(path, packed(state, parts))


def packed(state: State, parts: Mapping[str, Stateful]) -> bytes:
    """Return the state and that of the parts as a file holds them."""
    content = io.BytesIO()  # torch says nothing of the reason where a file of its own cannot be written
    torch.save({"state": vars(state), **{name: part.state_dict() for name, part in parts.items()}}, content)
    return _sealed(content.getvalue())


def load(path: Path, parts: Mapping[str, Stateful], device: str) -> State | None:
    """Restore the parts and return the state; a file that cannot be used is renamed, and None is returned.

    Some parts may then be loaded and others not: build them again.
    """
    try:
        content: dict[str, Any] = torch.load(_proven(path.read_bytes()), map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(content[name])
        return State(**content["state"])
    except Exception:  # a cut-off zip, a foreign file, another network: torch raises many kinds
        os.replace(path, path.with_suffix(".unreadable"))
        return None


def peek(path: Path) -> State | None:
    """Return the state of a training, and touch nothing; None where the file cannot be used."""
    try:
        content: dict[str, Any] = torch.load(_proven(path.read_bytes()), map_location="cpu", weights_only=True)
        return State(**content["state"])
    except Exception:  # as above
        return None


def _sealed(archive: bytes) -> bytes:
    """Return a zip archive with its SHA-256 as the comment at its end, where every reader of zip passes over it."""
    comment = DIGEST + hashlib.sha256(archive).hexdigest().encode()
    return archive[: -COMMENT_LENGTH.size] + COMMENT_LENGTH.pack(len(comment)) + comment


def _proven(content: bytes) -> io.BytesIO:
    """Return the archive without its comment; raise ValueError where its digest, or the CRC of a part, is another.

    Archives from before they had digests have those of zip, which torch itself does not look at.
    """
    archive, mark, digest = content.rpartition(DIGEST)
    if not mark:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if (damaged := parts.testzip()) is not None:
                raise ValueError(f"{damaged} is not as it was written")
        return io.BytesIO(content)
    archive = archive[: -COMMENT_LENGTH.size] + COMMENT_LENGTH.pack(0)
    if hashlib.sha256(archive).hexdigest().encode() != digest:
        raise ValueError("its SHA-256 is another than when it was written")
    return io.BytesIO(archive)

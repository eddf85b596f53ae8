"""What workers say of themselves when they come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What a worker announces of itself; what is lacking for compiled code, and empty texts for what it has not."""

    host: str
    device: str
    hardware: str
    card: str
    cores: int
    lacking: str
    code: str
    libraries: tuple[tuple[str, str], ...]
    pid: int

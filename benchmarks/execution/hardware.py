"""What trains, and on which images: this machine, unless elsewhere.py says otherwise."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from benchmarks.provenance import cpu_cores
from benchmarks.session import Session
from ensembles.arrays import IntArray, LogitArray
from ensembles.streaming import StackedMembers
from zoo.training.compiling import lacking_for_gpu_code


@dataclass(frozen=True)
class Hardware:
    """What decides how long a training takes: `cpu` or `cuda`, cores, and what is missing to compile for a card."""

    device: str
    cores: int
    lacking: str | None = None


class Here:
    """This machine."""

    def prepare(self, session: Session) -> None:
        """See to it that there is what scores predictions; raise DataError."""

    def hardware(self, session: Session) -> Hardware:
        """Return what trains; raise ValueError where what the user asks for is not there."""
        return Hardware(session.device, cpu_cores(), lacking_for_gpu_code() if session.device == "cuda" else None)

    def fingerprint(self, session: Session) -> str:
        """Return the fingerprint of the images of the first fold; raise DataError."""
        return session.folds[0].fingerprint

    def searching(
        self, session: Session, logits: LogitArray | StackedMembers, targets: IntArray
    ) -> AbstractContextManager[int]:
        """Yield how many processes search logits `[members, N, classes]`; they are joblib's while the context lasts."""
        return nullcontext(session.jobs(math.prod(logits.shape)))


HERE = Here()

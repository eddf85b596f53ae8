"""A number of the training step as the host reads it: one look late on a GPU, so that the GPU never waits for it."""

from __future__ import annotations

import torch
from torch import Tensor


class AsyncScalar:
    """Each look starts a copy of a scalar to the host, and returns what the look before had copied."""

    def __init__(self, device: str) -> None:
        self._lags = device == "cuda"
        self._pending: tuple[int, Tensor, torch.cuda.Event] | None = None

    def look(self, value: Tensor, step: int) -> tuple[int, float] | None:
        """A step and the scalar's value then: this one's on a CPU, on a GPU the last look's; None at its first look.

        The host thereby runs ahead of a GPU by no more than two looks.
        """
        if not self._lags:
            return step, value.item()
        before, done = self._pending, torch.cuda.Event()
        copied = value.to("cpu", non_blocking=True)  # into page-locked memory
        done.record()
        self._pending = step, copied, done
        if before is None:
            return None
        past, number, ready = before
        ready.synchronize()
        return past, number.item()

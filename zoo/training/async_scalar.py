"""Read a scalar from the GPU one call late, so that the GPU never waits for the host."""

from __future__ import annotations

import torch
from torch import Tensor


class AsyncScalar:
    """A scalar that is copied to the host in the background: each `look` returns what the one before copied."""

    def __init__(self, device: str) -> None:
        self._lags = device == "cuda"
        self._pending: tuple[int, Tensor, torch.cuda.Event] | None = None

    def look(self, value: Tensor, step: int) -> tuple[int, float] | None:
        """Return a step and the value then: this call's on a CPU, the last call's on a GPU, whose first returns None.

        The host runs ahead of a GPU by two looks at most.
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

"""Several processes that train one network together, each on its slice of every batch.

All draw the same batch, by (seed, epoch, step), and take their rows of it. Gradients, loss and the statistics of batch
norm are added up in one flat all-reduce a step, so that all hold the same weights. For one number of processes the
numbers are the same each time, also after a stop; another number takes sums in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SILENT = timedelta(minutes=10)
"""How long the others are waited for: the slowest epoch end, with its evaluation, is among it."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, eq=False)
class World:
    """One of `size` processes; `control` is the group by which they agree, which needs no card."""

    rank: int = 0
    size: int = 1
    control: Any = None

    def rows(self, count: int, parts: int) -> slice:
        """Return this process's rows of a batch; raise ValueError where `parts` of each slice cannot be equal."""
        if self.size > 1 and count % (self.size * parts):
            raise ValueError(
                f"{self.size} cards cannot share batches of {count}: choose recipe.batch_size as a multiple of "
                f"{self.size * parts}"
            )
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each) if self.size > 1 else slice(0, count)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Put into each tensor the sum of those of all processes."""
        if self.size == 1:
            return
        import torch
        from torch import distributed

        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, summed in zip(tensors, flat.split([math.prod(tensor.shape) for tensor in tensors]), strict=True):
            tensor.copy_(summed.reshape(tensor.shape))

    def agreed(self, reason: str | None) -> str | None:
        """Return the first process's reason to stop, in all of them."""
        if self.size == 1:
            return reason
        import torch
        from torch import distributed

        told = torch.tensor([int(reason is not None)])
        distributed.broadcast(told, 0, group=self.control)
        if not told.item():
            return None
        said = [reason]
        distributed.broadcast_object_list(said, 0, group=self.control)
        return said[0]

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Have the first process do something before the others do."""
        if self.size > 1 and self.rank > 0:
            self._meet()
        yield
        if self.size > 1 and self.rank == 0:
            self._meet()

    def _meet(self) -> None:
        from torch import distributed

        distributed.barrier(group=self.control)


ALONE = World()


def alone(*about: object) -> AbstractContextManager[World]:
    """Train in this process."""
    return nullcontext(ALONE)


@contextmanager
def joined(rank: int, size: int, device: str, store: Any) -> Iterator[World]:
    """Take part as one of `size` processes, by NCCL on cards and gloo elsewhere."""
    from torch import distributed

    backend = backend_of(device)
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=SILENT)
    try:
        yield World(rank, size, distributed.new_group(backend="gloo", timeout=SILENT))
    finally:
        distributed.destroy_process_group()


def backend_of(device: str) -> str:
    """Name what carries the sums."""
    return "nccl" if device == "cuda" else "gloo"


def meeting_place(size: int, port: int = 0) -> Any:
    """Return where processes meet: of the first one without a port, which it then has; of the others at that port."""
    from torch.distributed import TCPStore

    return TCPStore(LOOPBACK, port, size, is_master=not port, timeout=SILENT, wait_for_workers=False)

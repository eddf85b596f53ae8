"""What this machine can do at best: products a second by number type, and bytes a second by how much memory they span.

Both are measured, the best of several short rounds. Products are the faster of square matrices' and of a 3x3
convolution's without borders: a CPU's library for one may know instructions that its library for the other does not.
Bytes are moved by copies and by changes in place, at sizes from what fits a cache to what is far larger than any: an
operator whose tensors a cache can hold is not held to the speed of the main memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.operators import Operator
from benchmarks.speed.records import Comparison
from benchmarks.speed.timing import timed

TYPES = (torch.bfloat16, torch.float32)
SIDES = {"cpu": (512, 2048), "cuda": (4096, 8192)}  # of the matrices
IMAGES = {"cpu": (1, 8), "cuda": (64, 256)}  # of the convolutions
CHANNELS = 256
MAP = 26  # pixels a side, before a convolution takes off the borders
SIZES = tuple(2**power for power in range(16, 29, 2))  # bytes of an array: 64 KiB to 256 MiB
ONE_ROUND = {"cpu": 2**27, "cuda": 2**31}  # bytes moved in one round at any size: starting a kernel does not count then


@dataclass(frozen=True)
class Ceilings:
    """`operations`: floating-point operations a second by type of the factors. `bytes`: bytes a second, read and
    written, by the bytes of memory that they span."""

    operations: dict[torch.dtype, float]
    bytes: dict[int, float]

    def arithmetic(self, operator: Operator) -> float:
        """The least seconds its operations take; a type that was not measured has the fastest one's ceiling."""
        return operator.operations / self.operations.get(operator.dtype, max(self.operations.values()))

    def memory(self, operator: Operator) -> float:
        """The least seconds its bytes take, at the highest speed seen from the next smaller size upwards."""
        smaller = [size for size in self.bytes if size <= operator.touched]
        start = max(smaller, default=0)
        return operator.moved / max(speed for size, speed in self.bytes.items() if size >= start)

    def raised_by(self, other: Ceilings) -> Ceilings:
        """The higher of each ceiling, of two measurements of one machine."""
        return Ceilings(
            {dtype: max(speed, other.operations[dtype]) for dtype, speed in self.operations.items()},
            {size: max(speed, other.bytes[size]) for size, speed in self.bytes.items()},
        )

    def comparisons(self) -> list[Comparison]:
        """The ceilings as figures without a peer."""
        products = [
            Comparison(f"products, {_name(dtype)}", "GFLOP/s", speed / 1e9) for dtype, speed in self.operations.items()
        ]
        largest = max(self.bytes)
        spans = {"in cache": max(self.bytes.values()), f"{largest // 2**20} MiB": self.bytes[largest]}
        return products + [
            Comparison(f"bytes read and written, {where}", "GB/s", speed / 1e9) for where, speed in spans.items()
        ]


def measure(device: str, rounds: int = 10) -> Ceilings:
    """The ceilings with as many threads as torch is set to."""
    return Ceilings(
        {dtype: operations_a_second(dtype, device, rounds) for dtype in TYPES}, bytes_a_second(device, rounds)
    )


@torch.inference_mode()
def operations_a_second(dtype: torch.dtype, device: str, rounds: int) -> float:
    """Of the fastest product; on a GPU, matrices are multiplied in TF32 where convolutions are."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        return max(operations / _least_seconds(call, 1, device, rounds) for operations, call in products(dtype, device))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def products(dtype: torch.dtype, device: str) -> Iterator[tuple[int, Callable[[], object]]]:
    """Calls, each with its floating-point operations."""
    for side in SIDES[device]:
        left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
        yield 2 * side**3, partial(torch.mm, left, right)
    weight = _channels_last(torch.rand(CHANNELS, CHANNELS, 3, 3, device=device).to(dtype))
    for count in IMAGES[device]:
        images = _channels_last(torch.rand(count, CHANNELS, MAP, MAP, device=device).to(dtype))
        yield 2 * 9 * count * CHANNELS**2 * (MAP - 2) ** 2, partial(F.conv2d, images, weight)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def bytes_a_second(device: str, rounds: int) -> dict[int, float]:
    """By the bytes that are spanned: a copy spans two arrays, a change in place one; each moves two."""
    found: dict[int, float] = {}
    for size in SIZES:
        source, target = (torch.ones(size // 4, device=device) for _ in range(2))
        calls: dict[int, Callable[[], object]] = {size: source.neg_, 2 * size: partial(target.copy_, source)}
        for spanned, call in calls.items():
            repeats = max(1, ONE_ROUND[device] // (2 * size))
            found[spanned] = 2 * size / _least_seconds(call, repeats, device, rounds)
    return found


def _least_seconds(call: Callable[[], object], repeats: int, device: str, rounds: int) -> float:
    """Of one call, after a round that does not count."""

    def one_round() -> None:
        for _ in range(repeats):
            call()
        if device == "cuda":
            torch.cuda.synchronize()

    one_round()
    return timed(one_round, rounds)[0].best / repeats


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

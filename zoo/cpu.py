"""What a CPU and its C library can do for training and prediction: bfloat16 arithmetic, no arithmetic with denormal
numbers, and keeping freed memory."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # numbers of the parameters in malloc.h
KEPT = 2**31 - 1  # bytes of free memory at the top of the heap, the most that can be asked for


@cache
def supports_bf16() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware.

    oneDNN says yes to every CPU with AVX-512, and emulates it where the instructions are missing: a training step of
    vgg_fer then takes 2.6 times as long as in float32 (measured on an Ice Lake core).
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    return platform.machine() not in ("x86_64", "AMD64") or torch.cpu._is_avx512_bf16_supported()


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Take numbers nearer to zero than 1.2e-38 for zero, in this thread and those that it starts.

    A filter whose ReLU lets nothing through has no gradient: its momentum falls by a constant share a step, and after
    some 1,700 steps it is denormal, which it stays. Processors do arithmetic with such numbers in microcode. After 18
    epochs a quarter of a layer of `vgg_fer` was so, and Muon's matrix products took 77 % of a step: 30 images a second
    where 210 had been usual. Other threads and what comes afterwards are left as they are.
    """
    before = _flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushed() -> bool:
    """Return whether this thread takes denormal numbers for zero."""
    smallest = torch.tensor(torch.finfo(torch.float32).tiny)
    return bool((smallest / 2 == 0).item())


@cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory until the process ends; return whether it is one that can be told.

    The GNU C library returns large blocks to the system as soon as they are free, and the system clears every page of
    what it hands out again. A training step of `vgg_fer` at batch 128 pays for 31,000 pages that way, a fifth of its
    time. No block is too large: of those that a threshold leaves to the system, above 32 MiB, `mobilenetv2` on images
    of 96 pixels has so many in float32 that a step takes 7 % longer. Threads that begin later take memory from the same
    place: their own would be returned whatever is asked for, and predictions by two threads were up to a tenth slower.
    Other C libraries are left as they are. Numbers do not depend on it. The process holds on to its peak.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    asked = {TRIM_THRESHOLD: KEPT, MMAP_MAX: 0, ARENA_MAX: 1}
    return all(bool(mallopt(parameter, value)) for parameter, value in asked.items())

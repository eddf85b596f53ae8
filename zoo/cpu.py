"""What a CPU and its C library can do for training and prediction: bfloat16 arithmetic, and keeping freed memory."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of the parameters in malloc.h
KEPT = 2**31 - 1  # bytes of free memory at the top of the heap, the most that can be asked for
LARGEST = 2**25  # bytes: blocks up to this size come from the heap, the most glibc accepts


@cache
def supports_bf16() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware.

    oneDNN says yes to every CPU with AVX-512, and emulates it where the instructions are missing: a training step of
    vgg_fer then takes 2.6 times as long as in float32 (measured on an Ice Lake core).
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    return platform.machine() not in ("x86_64", "AMD64") or torch.cpu._is_avx512_bf16_supported()


@cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory until the process ends; return whether it is one that can be told.

    The GNU C library returns large blocks to the system as soon as they are free, and the system clears every page of
    what it hands out again. A training step of `vgg_fer` at batch 128 pays for 31,000 pages that way, a fifth of its
    time. Other C libraries are left as they are. Numbers do not depend on it. The process holds on to its peak.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(TRIM_THRESHOLD, KEPT)) and bool(mallopt(MMAP_THRESHOLD, LARGEST))

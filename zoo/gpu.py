"""How the convolutions of a GPU are computed: the fastest that it knows in training, in full float32 in prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.backends import cudnn


@contextmanager
def convolutions_tried() -> Iterator[None]:
    """Have cuDNN time its algorithms at the first convolution of each shape, and use the fastest from then on.

    A training has few shapes, and thousands of steps of each.
    """
    before = cudnn.benchmark
    cudnn.benchmark = True
    try:
        yield
    finally:
        cudnn.benchmark = before


@contextmanager
def full_precision() -> Iterator[None]:
    """Have cuDNN convolve float32 in float32: by default it rounds to ten bits of mantissa (TF32), which moves logits
    by some 3e-4."""
    before = cudnn.allow_tf32
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = before

"""How the convolutions of a GPU are computed: the fastest that it knows in training, in full float32 in prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from torch.backends import cudnn

_lock = Lock()
_holders: Counter[str] = Counter()  # of a flag: those within its `with`, in whatever thread
_before: dict[str, bool] = {}


@contextmanager
def convolutions_tried() -> Iterator[None]:
    """Have cuDNN time its algorithms at the first convolution of each shape, and use the fastest from then on.

    A training has few shapes, and thousands of steps of each.
    """
    with _held("benchmark", True):
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Have cuDNN convolve float32 in float32: by default it rounds to ten bits of mantissa (TF32), which moves logits
    by some 3e-4."""
    with _held("allow_tf32", False):
        yield


@contextmanager
def _held(flag: str, value: bool) -> Iterator[None]:
    """Give one of cuDNN's flags a value, and its own one back when the last of several threads leaves."""
    with _lock:
        if not _holders[flag]:
            _before[flag] = getattr(cudnn, flag)
            setattr(cudnn, flag, value)
        _holders[flag] += 1
    try:
        yield
    finally:
        with _lock:
            _holders[flag] -= 1
            if not _holders[flag]:
                setattr(cudnn, flag, _before[flag])

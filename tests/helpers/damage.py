"""What happens to files: flipped bits, blocks of zeros, lost ends, blocks at another place."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

TRIALS = int(os.environ.get("FAULT_TRIALS", "200"))
"""Damaged copies of each kind of file; `make faults` tries 10,000."""

SEEDS = TRIALS if TRIALS > 200 else TRIALS // 4
"""Mutations of each form of a file from elsewhere, of which there are many: fewer of them where time counts."""


def damaged_copies(content: bytes, trials: int = TRIALS, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield so many damaged copies of a file, each with what was done to it; most have one to eight flipped bits."""
    random = np.random.default_rng([seed, len(content)])
    whole = np.frombuffer(content, dtype=np.uint8)
    for trial in range(trials):
        bits = int(random.integers(1, 9)) if trial % 2 else 1
        kind = random.choice(["flip", "flip", "flip", "flip", "zeros", "cut", "moved", "longer"])
        copy = whole.copy()
        place = _place(random, len(copy))
        size = int(random.integers(1, max(2, min(512, len(copy) // 4))))
        if kind == "flip":
            places = [_place(random, len(copy)) for _ in range(bits)]
            np.bitwise_xor.at(copy, places, (1 << random.integers(0, 8, bits)).astype(np.uint8))
        elif kind == "zeros":
            copy[place : place + size] = 0
        elif kind == "cut":
            copy = copy[:place]
        elif kind == "longer":
            copy = np.concatenate([copy, random.integers(0, 256, size, dtype=np.uint8)])
        else:
            other = _place(random, len(copy))
            size = min(size, len(copy) - max(place, other))
            copy[place : place + size], copy[other : other + size] = whole[other:][:size], whole[place:][:size]
        if (result := copy.tobytes()) != content:
            yield f"{kind} at {place} of {len(content)}, trial {trial}", result


def _place(random: np.random.Generator, size: int) -> int:
    """A place in a file; every other one in its first kilobyte, where headers are."""
    return int(random.integers(0, min(size, 1024) if random.random() < 0.5 else size))

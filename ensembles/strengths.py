"""The strength of a penalty: which ones may be asked for, and which one cross-validation chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

LEAST = 1e-9  # a penalty weaker than this, on inputs scaled to one, is lost in rounding and leaves singular systems
TIE = 1e-9  # relative; losses closer than this differ by rounding alone
FLOAT32_TIE = 1e-6  # the same of losses that were computed in float32


def check_strengths(strengths: Sequence[float]) -> list[float]:
    """Return the strengths, the strongest first; ValueError where none is given, or one is too weak or not finite."""
    values = np.asarray(strengths, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"strengths must be one or more numbers, got {strengths!r}")
    unusable = values[~((values >= LEAST) & np.isfinite(values))]
    if unusable.size:
        raise ValueError(f"strengths must be finite and at least {LEAST:.0e}, got {unusable[0]:g}")
    return sorted(values.tolist(), reverse=True)


def strongest_of_the_best(losses: Mapping[float, float], tie: float = TIE) -> float:
    """Return the strength with the lowest loss; of those whose losses tie up to rounding (`tie`), the strongest."""
    lowest = min(losses.values())
    return max(strength for strength, loss in losses.items() if loss <= lowest + tie * abs(lowest))

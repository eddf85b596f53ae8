"""The check that refuses probabilities where logits are needed, and says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SUM_SLACK = 1e-3  # by which a row of probabilities may miss one: float16 rounds by half of that
DISTINCT_ROWS = 10  # from here on it is no chance: one row of two real logits sums to one so closely once in thousands


def refuse_probabilities(logits: Any) -> None:
    """Raise ValueError where every row of `[members, samples, classes]` is non-negative and sums to one.

    These are probabilities, and softmax would flatten them.

    Real logits pass, as not all their rows look so. Fewer than ten distinct rows, which may look so by chance, and
    members that always say the same are not refused.
    """
    seen: set[bytes] = set()
    for member in range(len(logits)):
        rows = logits[member]
        if not _on_simplex(rows[:1]) or not _on_simplex(rows):
            return
        if len(seen) < DISTINCT_ROWS:
            seen.update(row.tobytes() for row in rows)
    if len(seen) >= DISTINCT_ROWS:
        raise ValueError(
            "these are probabilities (every row is non-negative and sums to one), but logits are due: "
            "take logarithms, np.log(np.maximum(probabilities, 1e-7))"
        )


def _on_simplex(rows: npt.NDArray[Any]) -> bool:
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=1, dtype=np.float64) - 1.0) <= SUM_SLACK).all())

"""Logits whose first axis is the samples, which is the axis that scikit-learn's model selection splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class SamplesFirst(np.ndarray):
    """Logits `[samples, members, classes]`, which every ensembler takes where logits `[members, samples, classes]` are
    due. A selection of its samples is of this class, too; `samples_first` makes one."""

    def members_first(self) -> npt.NDArray[Any]:
        """Return the same logits as a plain array `[members, samples, classes]`, contiguous as if given so."""
        return np.ascontiguousarray(self.view(np.ndarray).swapaxes(0, 1))


def samples_first(logits: npt.ArrayLike) -> SamplesFirst:
    """Return logits `[members, samples, classes]` in the form that scikit-learn's model selection can split.

    `cross_val_score`, `GridSearchCV` and the like cut folds along the first axis; of plain logits these would be
    members. ValueError for another number of axes. No copy is made.
    """
    array = np.asarray(logits)
    if array.ndim != 3:
        raise ValueError(f"logits must have the shape [members, samples, classes], got {list(array.shape)}")
    return array.swapaxes(0, 1).view(SamplesFirst)

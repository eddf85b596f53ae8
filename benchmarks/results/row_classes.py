"""Classes of rows that stand apart: scored beside all others, in no ensemble of theirs, never the best single member.

What learnt from more than the suite's labels, and what comes from elsewhere with a training that cannot be asked about,
would make the comparison one of other things than networks and ensembles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RowClass:
    """A class of rows: what tables call it, the mark behind its titles, and the heading over its rows."""

    name: str
    mark: str
    heading: str

    @property
    def slug(self) -> str:
        """Return the class's name for pages."""
        return self.name.replace(" ", "-")


EXTRA_LABELS = RowClass("extra labels", "†", "Members, extra labels")
TOOLS = RowClass("tools", "‡", "Tools")
CHECKPOINT = RowClass("checkpoint", "§", "Published checkpoints")
COSTLY = RowClass("over the limit", "¶", "Members over the limit")
SHORT_BUDGET = RowClass("short budget", "‖", "Members, short budgets")
ROW_CLASSES = {row_class.name: row_class for row_class in (EXTRA_LABELS, TOOLS, CHECKPOINT, COSTLY, SHORT_BUDGET)}
FROM_ELSEWHERE = (TOOLS.name, CHECKPOINT.name)  # a store's file says it of itself


def row_classes(model: Mapping[str, Any]) -> tuple[RowClass, ...]:
    """Return the classes of a member or ensemble of results.json, in their order; of most there is none."""
    named = {*model.get("row_classes", ()), *([EXTRA_LABELS.name] if model.get("extra_labels") else [])}
    return tuple(row_class for name, row_class in ROW_CLASSES.items() if name in named)
